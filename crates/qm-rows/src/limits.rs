//! What a file may ask for. Each is refused, or rejects its row, before memory is spent on more.

/// Bytes of a row, as written: what a reader holds of one at most. Twenty times DynamoDB's largest item.
pub(crate) const ROW_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of a cell: what the databases take without being asked twice (SQLite's page cache, a field of COPY).
pub(crate) const CELL_BYTES: usize = 1024 * 1024;
/// Columns of a file: twice what PostgreSQL (1,600) and SQLite (2,000) can have.
pub(crate) const COLUMNS: usize = 4096;
/// Cells beyond the header that a reject shows.
pub(crate) const EXTRA_CELLS: usize = 16;
/// How many times its size a gzip may become: what people's text reaches is 30, what deflate can is 1,032.
pub(crate) const GZIP_RATIO: u64 = 200;
/// Small files may expand as they like.
pub(crate) const GZIP_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a workbook: it is held whole while it is read.
pub(crate) const WORKBOOK_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of all workbooks together that are checked while they are uploaded: four of the largest.
pub(crate) const UPLOADS_BYTES: usize = 4 * WORKBOOK_BYTES;
