//! Every command that a document shows is one that there is.

use clap::Parser as _;
use clap::error::ErrorKind;
use std::fs;
use std::path::{Path, PathBuf};

use super::CommandLine;

/// What may stand before a command.
const BEFORE: [&str; 6] = [
    "$ ",
    "! ",
    "* * * * * ",
    "sudo -u quaymaster ",
    "sudo ",
    "/usr/local/bin/",
];

/// All that tells users what to type.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let below = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mut files = vec![root.join("README.md")];
    let is_document = |path: &PathBuf| path.extension().is_some_and(|it| it == "md");
    files.extend(below("docs").into_iter().filter(is_document));
    let recipes = below("recipes").into_iter();
    files.extend(
        recipes
            .map(|recipe| recipe.join("README.md"))
            .filter(|file| file.exists()),
    );
    let read = |file: PathBuf| (file.clone(), fs::read_to_string(file).unwrap());
    files.into_iter().map(read).collect()
}

/// The lines that are commands of ours.
fn commands(document: &str) -> Vec<String> {
    let joined = document.replace("\\\n", " ");
    let command = |line: &str| {
        let mut line = line.trim_start();
        for before in BEFORE {
            line = line.strip_prefix(before).unwrap_or(line);
        }
        line.starts_with("quaymaster ").then(|| line.to_owned())
    };
    joined.lines().filter_map(command).collect()
}

/// The commands that sentences speak of.
fn mentions(document: &str) -> Vec<&str> {
    let spans = document
        .split('`')
        .map(|span| span.strip_prefix("sudo ").unwrap_or(span));
    spans
        .filter(|span| span.starts_with("quaymaster "))
        .collect()
}

/// The words of the first command, as a shell takes them, with a number for what is an `ID`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | '<' | '&' | ';') => break,
            (None, ' ' | '\n') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let given = |word: String| if word == "ID" { "1".to_owned() } else { word };
    words.into_iter().map(given).collect()
}

#[test]
fn commands_of_the_documents_are_understood() {
    let mut count = 0;
    for (file, text) in documents() {
        for line in commands(&text) {
            if let Err(error) = CommandLine::try_parse_from(words(&line)) {
                panic!("{}: {line}\n{error}", file.display());
            }
            count += 1;
        }
    }
    assert!(count > 50, "only {count} were found");
}

#[test]
fn commands_that_sentences_speak_of_exist() {
    let mut count = 0;
    for (file, text) in documents() {
        for mention in mentions(&text) {
            count += 1;
            let Err(error) = CommandLine::try_parse_from(words(mention)) else {
                continue;
            };
            // A sentence may leave out what it is not about.
            let is_known = matches!(
                error.kind(),
                ErrorKind::DisplayVersion
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    | ErrorKind::MissingRequiredArgument
                    | ErrorKind::MissingSubcommand
            );
            assert!(is_known, "{}: {mention}\n{error}", file.display());
        }
    }
    assert!(count > 10, "only {count} were found");
}

#[test]
fn words_are_a_shell_s() {
    let cases: [(&str, &[&str]); 5] = [
        ("quaymaster check  # `all`", &["quaymaster", "check"]),
        ("quaymaster metrics > a && b", &["quaymaster", "metrics"]),
        ("q show \"$load\" 'a b'", &["q", "show", "$load", "a b"]),
        (
            "q inbox show ID --json",
            &["q", "inbox", "show", "1", "--json"],
        ),
        ("q a#b \"\"", &["q", "a#b", ""]),
    ];
    for (line, expect) in cases {
        assert_eq!(words(line), expect, "{line}");
    }
    let document = "say `sudo quaymaster install`:\n\n```console\n$ quaymaster a \\\n  b\n    sudo quaymaster c\n\
        sudo -u quaymaster quaymaster d\n* * * * * /usr/local/bin/quaymaster e\n```\n";
    let found = commands(document);
    assert_eq!(
        found,
        [
            "quaymaster a    b",
            "quaymaster c",
            "quaymaster d",
            "quaymaster e"
        ]
    );
    assert_eq!(mentions(document), ["quaymaster install"]);
    assert!(CommandLine::try_parse_from(["quaymaster", "stauts"]).is_err());
}
