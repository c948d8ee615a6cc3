//! What the loader answered that `recipes/table-load` replaces, case by case, and the tests that say what
//! is answered here: none of them may get another name or go unnoticed.

/// Rows: read, or rejected.
const ROWS: &str = include_str!("../../../qm-rows/tests/it/golden.rs");
/// Rejected rows, as they are written.
const REJECTS: &str = include_str!("../../../qm-rows/src/rejects.rs");
/// Run on every database.
const TABLES: &str = include_str!("../../../qm-tables/tests/it/suite/golden.rs");
/// What DynamoDB keeps.
const ITEMS: &str = include_str!("../../../qm-tables/src/dynamodb/tests/rows.rs");
const MAILS: &str = include_str!("../../../qm-core/src/load.rs");
const EVENTS: &str = include_str!("../../../qm-core/src/notification/tests.rs");
const LETTERS: &str = include_str!("../../../qm-core/src/notification/dead_letter.rs");
const NOTICING: &str = include_str!("../../../qm-engine/tests/it/noticing/cases.rs");
const UPLOADS: &str = include_str!("policy.rs");

const CASES: [(&str, &[(&str, &str)]); 18] = [
    (
        "1000 rows, key column ID",
        &[
            (TABLES, "a_thousand_rows_and_the_same_again"),
            (ITEMS, "foreign_a_thousand_rows_on_moto"),
            (ROWS, "cells_are_text_under_their_headers_just_as_written"),
        ],
    ),
    (
        "the same file again",
        &[(TABLES, "a_thousand_rows_and_the_same_again")],
    ),
    (
        "14 rows, header ProductID",
        &[
            (TABLES, "wrong_header"),
            (ROWS, "a_file_of_another_header_is_rejected_row_by_row"),
        ],
    ),
    (
        "YAML text named .csv",
        &[
            (ROWS, "text_that_is_no_csv_is_refused_as_a_whole"),
            (
                UPLOADS,
                "foreign_s1_08_rows_are_as_declared_or_the_sender_reads_what_is_wrong",
            ),
        ],
    ),
    (
        "header only, or an empty file",
        &[(TABLES, "no_rows"), (ROWS, "a_file_without_rows_has_none")],
    ),
    (
        "two good rows, one without ID",
        &[
            (TABLES, "a_row_without_its_key"),
            (
                MAILS,
                "the_originals_mails_and_those_for_what_it_did_not_say",
            ),
        ],
    ),
    (
        "one ID twice in a file",
        &[(TABLES, "one_key_twice_in_a_file")],
    ),
    (
        "a row with one cell too many",
        &[
            (TABLES, "ragged_rows"),
            (
                ROWS,
                "ragged_rows_are_rejected_or_filled_with_nothing_and_the_file_goes_on",
            ),
        ],
    ),
    (
        "a row with one cell too few",
        &[
            (TABLES, "ragged_rows"),
            (ITEMS, "foreign_files_of_all_kinds_on_moto"),
        ],
    ),
    (
        "a byte-order mark",
        &[
            (TABLES, "encodings"),
            (ROWS, "a_byte_order_mark_is_no_part_of_the_first_header"),
        ],
    ),
    (
        "Latin-1 bytes",
        &[
            (TABLES, "encodings"),
            (
                ROWS,
                "bytes_of_another_encoding_are_rejected_by_their_place_or_read_if_it_is_declared",
            ),
        ],
    ),
    (
        "a quoted line break and comma",
        &[(TABLES, "cells_keep_what_is_in_them")],
    ),
    (
        "U+2028 without quotes",
        &[
            (TABLES, "cells_keep_what_is_in_them"),
            (
                ROWS,
                "quotes_keep_line_breaks_and_commas_and_only_line_breaks_end_rows",
            ),
        ],
    ),
    (
        "my file.csv, and its key in an event",
        &[
            (TABLES, "cells_keep_what_is_in_them"),
            (EVENTS, "every_shape"),
        ],
    ),
    (
        "an event of no shape that is known",
        &[
            (NOTICING, "an_event_of_unknown_shape_is_a_dead_letter"),
            (EVENTS, "an_event_of_unknown_shape_has_an_invalid_source"),
            (LETTERS, "an_event_of_unknown_shape_is_kept_as_it_came"),
        ],
    ),
    (
        "the mail of a good load",
        &[(
            MAILS,
            "the_originals_mails_and_those_for_what_it_did_not_say",
        )],
    ),
    (
        "the mail of one that is all bad",
        &[(
            MAILS,
            "the_originals_mails_and_those_for_what_it_did_not_say",
        )],
    ),
    (
        "a rejected row as typed JSON",
        &[
            (
                ROWS,
                "a_row_without_its_key_is_rejected_as_the_original_writes_it",
            ),
            (
                REJECTS,
                "rejects_are_written_as_the_original_writes_them_with_a_reason_beside",
            ),
        ],
    ),
];

#[test]
fn every_case_of_the_original_loader_has_its_tests() {
    for (case, tests) in CASES {
        for (source, test) in tests {
            let is_there = source.contains(&format!("fn {test}("));
            assert!(is_there, "{case}: there is no test {test}");
            // A case of the suite is none before it is in the list that every database runs.
            let is_run = *source != TABLES || source.contains(&format!("case!({test})"));
            assert!(is_run, "{case}: {test} is run for no database");
        }
    }
}
