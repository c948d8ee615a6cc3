//! `[text.KIND]`: what messages say in place of the usual.

use qm_core::message_text::{MessageKind, OwnText, Texts, Words};

use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values::text;

pub(super) fn texts(top: &mut Section<'_>, report: &mut Report) -> Texts {
    let mut texts = Texts::new();
    let Some(mut section) = top.section(report, "text") else {
        return texts;
    };
    for (name, kind) in MessageKind::ALL {
        let Some(mut own) = section.section(report, name) else {
            continue;
        };
        let subject = own.optional(report, "subject", |item| subject(item, kind));
        let body = own.optional(report, "body", |item| words(text(item)?, kind, "body"));
        if !own.has("subject") && !own.has("body") {
            let fault = Fault::new(format!("[{}] says nothing", own.title()))
                .help("add `subject`, `body` or both, or leave the table out");
            report.say(own.place(), fault);
        }
        own.finish(report);
        texts.insert(kind, OwnText { subject, body });
    }
    section.finish(report);
    texts
}

fn subject(item: &Item, kind: MessageKind) -> Result<Words, Fault> {
    let text = text(item)?;
    if text.contains(char::is_control) {
        return Err(Fault::new("a subject is one line").help("put the rest into `body`"));
    }
    words(text, kind, "subject")
}

fn words(text: &str, kind: MessageKind, part: &str) -> Result<Words, Fault> {
    Ok(match kind {
        MessageKind::Every => Words::parse_around(text, kind, part)?,
        MessageKind::NoFiles
        | MessageKind::NoNewFiles
        | MessageKind::LateFile
        | MessageKind::Loaded
        | MessageKind::PartlyLoaded
        | MessageKind::AllRejected
        | MessageKind::NoRows => Words::parse(text, kind)?,
    })
}
