//! The step `screen`: what must not be sent is rejected before anything of it is sent.

use qm_core::config::Route;
use qm_core::delivery::Delivery;
use qm_core::ports::bucket::Content;
use qm_core::screen::NamePattern;
use qm_core::{Error, Kind, Result};

/// What is known without the bytes.
pub(super) fn check_name(
    route: &Route,
    pattern: Option<&NamePattern>,
    delivery: &Delivery,
) -> Result<()> {
    let file_name = delivery.source.key.file_name();
    let screen = &route.screen;
    screen.check_name_and_size(file_name, delivery.version.size_bytes)?;
    match pattern {
        Some(pattern) if !pattern.matches(file_name) => Err(Error::new(
            Kind::Refused,
            format!("the destination takes only files named {pattern}"),
        )
        .with("rule", "pattern")),
        Some(_) | None => Ok(()),
    }
}

/// Whether the bytes are what the name says, if the route asks for types. The outer error is one
/// of reading them.
pub(super) async fn check_content(
    route: &Route,
    delivery: &Delivery,
    content: &dyn Content,
) -> Result<Result<()>> {
    if route.screen.types.is_none() {
        return Ok(Ok(()));
    }
    let file_name = delivery.source.key.file_name();
    match qm_content::check_content(file_name, content).await {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.kind() == Kind::Refused => Ok(Err(error)),
        Err(error) => Err(error),
    }
}
