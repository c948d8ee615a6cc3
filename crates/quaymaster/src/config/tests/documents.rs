//! The examples of the documents name nothing that there is not.

use super::messages;

const DOCUMENTS: [&str; 7] = [
    include_str!("../../../../../README.md"),
    include_str!("../../../../../docs/configuration.md"),
    include_str!("../../../../../docs/deliveries.md"),
    include_str!("../../../../../docs/encryption-keys.md"),
    include_str!("../../../../../docs/loading.md"),
    include_str!("../../../../../docs/operations.md"),
    include_str!("../../../../../docs/several-nodes.md"),
];
/// What no part of a configuration may say, whatever is in its other parts.
const MISTAKES: [&str; 4] = [
    "not valid TOML",
    "unknown key",
    "unknown table",
    "is not known here",
];

#[test]
fn examples_of_the_documents_name_only_what_there_is() {
    let mut count = 0;
    for document in DOCUMENTS {
        for example in document.split("```toml\n").skip(1) {
            let (example, _) = example.split_once("\n```").unwrap();
            for problem in messages(example) {
                let is_mistake = MISTAKES.iter().any(|mistake| problem.contains(mistake));
                assert!(!is_mistake, "{problem}\nin\n{example}");
            }
            count += 1;
        }
    }
    assert!(count > 10, "only {count} were found");
}
