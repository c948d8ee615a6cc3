//! Numbers that are stored beside the rows that they count.

use qm_testkit::contract::ledger::retention::a_model_keeps_the_same;

use crate::sqlite::statements::{Statements as _, only};
use crate::{SqliteLedger, SqliteOptions};

/// Too low, and versions beyond their number would stay for ever; too high, and every scan would
/// look at their names.
#[tokio::test]
async fn names_know_how_many_versions_they_have() {
    const WRONG: &str = "WITH counted AS (
             SELECT bucket, key, count(*) AS versions FROM kept_versions
             WHERE state = 'retained' GROUP BY bucket, key),
         wrong AS (
             SELECT * FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept_names)
             UNION ALL SELECT * FROM (SELECT * FROM kept_names EXCEPT SELECT * FROM counted))
         SELECT (SELECT count(*) FROM counted), (SELECT count(*) FROM wrong)";
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        is_durable: false,
        ..SqliteOptions::default()
    };
    let file = folder.path().join("ledger.sqlite");
    let ledger = SqliteLedger::open(&file, options).unwrap();
    a_model_keeps_the_same(&ledger).await;
    let found = ledger.read("count", |c| {
        c.first(WRONG, [], |columns| {
            Ok((only::value::<i64>(columns)?, only::value::<i64>(columns)?))
        })
    });
    let (counted, wrong) = found.await.unwrap().unwrap();
    assert!(counted > 0);
    assert_eq!(wrong, 0);
}
