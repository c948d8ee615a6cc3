//! `[text.KIND]`: what messages say in place of the usual.

use qm_core::message_text::{MessageKind, OwnText, Words};

use super::{messages, right};
use crate::config::plan::plan;
use crate::config::revision;

const NODE: &str = "node.data = \"data\"\n";

#[test]
fn every_kind_of_message_may_have_its_own_text() {
    for (name, kind) in MessageKind::ALL {
        let placeholders = kind.placeholders();
        let all: Vec<String> = placeholders.iter().map(|it| format!("{{{it}}}")).collect();
        let all = all.join(" ");
        let config = right(&format!(
            "{NODE}[text.{name}]\nsubject = \"[prod] {all}\"\nbody = \"\"\"\n{all}\n{{{{}}}}\"\"\"\n"
        ));
        let words = |text: String| Some(Words::parse(&text, kind).unwrap());
        let expect = OwnText {
            subject: words(format!("[prod] {all}")),
            body: words(format!("{all}\n{{{{}}}}")),
        };
        assert_eq!(config.texts.get(&kind), Some(&expect));
        let json = revision::to_json(&config).unwrap();
        assert_eq!(revision::from_json(&json).unwrap(), config);
    }
    assert!(right(NODE).texts.is_empty());
    let subject_only = right(&format!(
        "{NODE}text.every.subject = \"[prod] {{subject}}\"\n"
    ));
    let own = &subject_only.texts[&MessageKind::Every];
    assert_eq!((own.subject.is_some(), &own.body), (true, &None));
}

#[test]
fn a_plan_shows_texts_on_one_line() {
    let new = right(&format!("{NODE}text.late_file.body = \"a\\nb {{file}}\"\n"));
    let plan = plan(Some(&right(NODE)), &new).to_string();
    assert_eq!(plan, "+ text late_file: body \"a\\nb {file}\"");
}

#[test]
fn mistakes() {
    for (text, expect) in [
        (
            "[text.no_files]\nbody = \"{fodler}\"",
            "body: there is no placeholder `{fodler}`\n  help: there are {expectation}, {partner}, {user}, {folder}, \
             {date}, {due} in it; write {{ and }} for braces",
        ),
        (
            "[text.every]\nsubject = \"{subject\"",
            "subject: a brace is without its other one\n  help: there are {subject}, {body} in it; write {{ and }} \
             for braces",
        ),
        (
            "[text.every]\nbody = \"{{body}} of {subject}\"",
            "body: without `{body}` every message would lose its own\n  help: put {body} into it",
        ),
        (
            "[text.every]\nsubject = \"a\\nb\"",
            "subject: a subject is one line\n  help: put the rest into `body`",
        ),
        (
            "[text.loaded]",
            "[text.loaded] says nothing\n  help: add `subject`, `body` or both, or leave the table out",
        ),
        (
            "[text.loadde]\nbody = \"a\"",
            "unknown table `loadde` in [text]\n  help: did you mean `loaded`?",
        ),
        (
            "[text.loaded]\ntitle = \"a\"\nbody = \"a\"",
            "unknown key `title` in [text.loaded]\n  help: known here: subject, body",
        ),
        (
            "text = \"a\"",
            "text: a table is needed, not a text\n  help: write it as [text]",
        ),
    ] {
        let found = messages(&format!("{NODE}{text}\n"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with(expect), "{text}: {}", found[0]);
    }
}
