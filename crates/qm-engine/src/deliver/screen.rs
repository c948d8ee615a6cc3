//! The step `screen`: what must not be sent is rejected before anything of it is sent. The route has
//! one, and whoever was looked up may have another; a file must pass both.

use qm_core::config::Route;
use qm_core::delivery::Delivery;
use qm_core::ports::bucket::Content;
use qm_core::screen::Screen;
use qm_core::{Error, Kind, Result};

/// Whose rule it was, if it was not the route's.
const THERE: &str = "checking what the destination that was looked up takes";

/// What is known without the bytes.
pub(super) fn check_name(route: &Route, there: &Screen, delivery: &Delivery) -> Result<()> {
    let (file_name, size_bytes) = (delivery.source.key.file_name(), delivery.version.size_bytes);
    route.screen.check_name_and_size(file_name, size_bytes)?;
    there
        .check_name_and_size(file_name, size_bytes)
        .map_err(|error| error.during(THERE))
}

/// Whether the bytes are what the name says, if either asks for types. The outer error is one of
/// reading them.
pub(super) async fn check_content(
    route: &Route,
    there: &Screen,
    delivery: &Delivery,
    content: &dyn Content,
) -> Result<Result<()>> {
    let whose = |error: Error| match route.screen.types {
        Some(_) => error,
        None => error.during(THERE),
    };
    if route.screen.types.is_none() && there.types.is_none() {
        return Ok(Ok(()));
    }
    let file_name = delivery.source.key.file_name();
    match qm_content::check_content(file_name, content).await {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.kind() == Kind::Refused => Ok(Err(whose(error))),
        Err(error) => Err(error),
    }
}
