//! What a route looks up about the file, and what that says.

use super::{File, in_folder, rejected, screened, whole};
use crate::node::Connectors;
use qm_core::config::{BucketPlace, Config, Destination, Lookup, LookupPlace, Route};
use qm_core::lookup::{LookedUp, LookedUpPlace};
use qm_core::name::ObjectKey;
use qm_core::template::Template;

/// `Err` if it would not be sent.
pub(super) async fn looked_up(
    config: &Config,
    connectors: &Connectors,
    route: &Route,
    lookup: &Lookup,
    file: &File<'_>,
) -> Result<Vec<String>, Vec<String>> {
    let dead = |error: &qm_core::Error| {
        let verdict = match error.retry_verdict() {
            qm_core::Retry::Never => "DEAD LETTER",
            qm_core::Retry::Later | qm_core::Retry::After(_) => "cannot be told now",
        };
        format!("  found        {verdict}: {}", error.public_message())
    };
    let key = match lookup.key(&file.facts) {
        Ok(key) => key,
        Err(error) => return Err(vec![dead(&error)]),
    };
    let what = match &lookup.store {
        LookupPlace::Secrets(_) => format!("secret {key}"),
        LookupPlace::Table(place) => format!("item {key} of table {}", place.table),
    };
    let mut lines = vec![format!("  looked up    {what}")];
    let LookedUp {
        place,
        screen,
        name,
    } = match connectors.look_up(lookup, &key).await {
        Ok(found) => found,
        Err(error) => {
            lines.push(dead(&error));
            return Err(lines);
        }
    };
    let tags: Vec<String> = lookup
        .require_tags
        .iter()
        .map(|(tag, value)| format!("{tag}={value}"))
        .collect();
    let tagged = if tags.is_empty() {
        String::new()
    } else {
        format!(", with tag {}", tags.join(", "))
    };
    lines.push(format!("  found        yes{tagged}"));
    match screened(&screen, file) {
        Ok(sentence) => lines.push(format!("  screen there {sentence}")),
        Err(sentence) => {
            lines.push(format!("  screen there REJECTED: {sentence}"));
            lines.push(format!("  rejected     {}", rejected(route, file)));
            return Err(lines);
        }
    }
    lines.push(format!("  destination  {}", shown(&place)));
    match name_there(config, &place, name.as_ref(), file) {
        Ok(name) => {
            lines.push(format!("  name there   {name}"));
            Ok(lines)
        }
        Err(error) => {
            let why = error.public_message();
            lines.push(format!("  name there   DEAD LETTER: {why}"));
            Err(lines)
        }
    }
}

fn shown(place: &LookedUpPlace) -> String {
    match place {
        LookedUpPlace::Bucket { place, .. } => BucketPlace::S3((**place).clone()).to_string(),
        LookedUpPlace::Destination(name) => name.to_string(),
        LookedUpPlace::Sftp(place) => {
            format!("sftp://{}@{}:{}", place.user, place.host, place.port)
        }
    }
}

/// As the delivery would have it, refusals included.
fn name_there(
    config: &Config,
    place: &LookedUpPlace,
    name: Option<&Template>,
    file: &File<'_>,
) -> qm_core::Result<String> {
    let destination = destination(config, place);
    let target = match (name, destination) {
        (None, None) => Lookup::target(&file.path.key).to_owned(),
        (None, Some(destination)) => destination.target(&file.facts)?,
        (Some(name), _) => {
            let rendered = name.render(&file.facts)?;
            ObjectKey::parse(&rendered)?;
            rendered
        }
    };
    match (place, destination) {
        (LookedUpPlace::Sftp(place), _) => in_folder(&place.folder, &target, file),
        (_, Some(destination)) => whole(destination, &target, file),
        (LookedUpPlace::Bucket { .. } | LookedUpPlace::Destination(_), None) => Ok(target),
    }
}

/// The one of the configuration, if it is one.
fn destination<'c>(config: &'c Config, place: &LookedUpPlace) -> Option<&'c Destination> {
    match place {
        LookedUpPlace::Bucket { .. } | LookedUpPlace::Sftp(_) => None,
        LookedUpPlace::Destination(name) => config.destinations.get(name),
    }
}
