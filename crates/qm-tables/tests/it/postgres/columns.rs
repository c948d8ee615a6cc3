//! Columns that do not take every value of their declared type: the row is rejected, the file goes on.

use qm_core::config::{Column, ColumnType};

use std::fmt::Write as _;

use super::Server;
use crate::suite::is_documented;
use crate::suite::scene::{Scene, column, counts, csv};

fn typed(columns: &[(&str, ColumnType)]) -> Vec<Column> {
    let of = |(name, kind): &(&str, ColumnType)| column(name, *kind);
    columns.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_columns_narrower_than_declared() {
    let server = Server::new();
    server
        .execute(
            "CREATE SCHEMA \"Shop\"; CREATE TABLE \"Shop\".\"Pro ducts\" (
                \"ID\" integer PRIMARY KEY, \"name\" varchar(3), price numeric(6, 2) NOT NULL,
                small smallint, tag uuid, ratio double precision, at timestamp)",
        )
        .await;
    let mut scene = Scene::new(&server, "Shop.Pro ducts");
    scene.table.create = false;
    scene.table.rows.columns = typed(&[
        ("ID", ColumnType::Integer),
        ("name", ColumnType::Text),
        ("price", ColumnType::Decimal),
        ("small", ColumnType::Integer),
        ("tag", ColumnType::Text),
        ("ratio", ColumnType::Decimal),
        ("at", ColumnType::Timestamp),
    ]);
    assert_eq!(scene.connector().differences().await.unwrap(), [""; 0]);
    let good =
        "1,abc,1234.50,32767,123e4567-e89b-12d3-a456-426614174000,0.25,1999-12-31T23:59:59.5Z\n";
    let text = format!(
        "ID,name,price,small,tag,ratio,at\n{good}2147483648,a,1,,,,\n3,abcd,1,,,,\n4,a,10000,,,,\n\
         5,a,1.234,,,,\n6,a,,,,,\n7,a,1,32768,,,\n8,a,1,,no,,\n9,äöü,-9999.990,-32768,,,\n10,a\0b,1,,,,\n"
    );
    let file = csv(1, &text);
    let load = scene.load(&file).await;
    assert_eq!(counts(load.counts), [10, 2, 0, 0, 8, 0]);
    let rejects = scene.rejects(&file).unwrap();
    for reason in [
        "larger than the table's column can hold",
        "longer than the 3 characters of the table's column",
        "more than the 4 digits before the point of the table's column",
        "more than the 2 digits behind the point of the table's column",
        "the table's column must have a value",
        "not a UUID",
        "has a NUL character, which text cannot have",
    ] {
        assert!(rejects.contains(reason), "{reason}: {rejects}");
        assert!(is_documented(reason), "{reason}");
    }
    let names = ["ID", "name", "price", "small", "tag", "ratio", "at"];
    assert_eq!(
        scene.texts(&names).await,
        [
            "1|abc|1234.50|32767|123e4567-e89b-12d3-a456-426614174000|0.25|1999-12-31 23:59:59.5",
            "9|äöü|-9999.99|-32768|||"
        ]
    );
    let again = scene.load(&csv(2, &text)).await;
    assert_eq!(counts(again.counts), [10, 0, 0, 2, 8, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_values_come_back_as_they_were() {
    let server = Server::new();
    let mut scene = Scene::new(&server, "values");
    scene.table.rows.columns = typed(&[
        ("ID", ColumnType::Integer),
        ("d", ColumnType::Decimal),
        ("b", ColumnType::Boolean),
        ("day", ColumnType::Date),
        ("at", ColumnType::Timestamp),
    ]);
    let decimals = [
        "0",
        "0.00",
        "1",
        "-1",
        "10000",
        "0.0001",
        "-0.00012300",
        "99999999999999999999999999999999999999",
        "1234567890123456789.0123456789012345678",
        "100000000.5",
        "-20000.00020000",
    ];
    let mut text = "ID,d,b,day,at\n".to_owned();
    for (number, decimal) in decimals.iter().enumerate() {
        writeln!(
            text,
            "{number},{decimal},true,2026-11-30,1969-12-31T23:59:59.999999Z"
        )
        .unwrap();
    }
    scene.load(&csv(1, &text)).await;
    let client = server.client().await;
    let query = "SELECT string_agg(d::text, ' ' ORDER BY \"ID\") FROM values";
    let found: String = client.query_one(query, &[]).await.unwrap().get(0);
    assert_eq!(found, decimals.join(" "));
    let query = "SELECT count(*) FROM values WHERE b AND day = '2026-11-30' \
                 AND at = '1969-12-31 23:59:59.999999+00'";
    let count: i64 = client.query_one(query, &[]).await.unwrap().get(0);
    assert_eq!(count, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_a_rule_of_the_table_fails_the_file() {
    let server = Server::new();
    server
        .execute("CREATE TABLE ruled (\"ID\" text CONSTRAINT no_c CHECK (\"ID\" <> 'c'), \"Title\" text)")
        .await;
    let scene = Scene::appending(&server, "ruled");
    let said = scene.fail(&csv(1, "ID,Title\na,1\nc,1\n")).await;
    assert!(
        said.contains("a row breaks a rule of the table: no_c"),
        "{said}"
    );
    // Values of rows do not get into logs.
    assert!(!said.contains("(c, 1)"), "{said}");
    assert!(scene.rows(&["ID"]).await.is_empty());
}
