//! Workbooks of Excel 97.

use super::store::Stored;
use qm_core::Result;
pub(super) fn read(_bytes: &[u8], _sheet: Option<&str>) -> Result<Stored> {
    Err(crate::shape::refused(
        "this is a workbook of Excel 97 or one with a password; save it as .xlsx without one",
    ))
}
