//! Which row wins: versions of a file, arrivals, batches.

use qm_core::{Kind, Retry};

use super::server::Server;
use super::wire::{Verdict, Wire};
use super::world::{World, again, client, counts, delivery, item};

async fn versions_of_a_file(endpoint: &str) {
    let wire = Wire::to(Some(endpoint)).await;
    let world = World::at(&wire.endpoint).await;
    let (first, second) = (delivery("a.csv", 1), delivery("a.csv", 2));
    world.attempt(&second, "ID,Title\n1,new\n").await.unwrap();
    // S3-35: the earlier version comes later.
    let late = world
        .attempt(&first, "ID,Title\n1,old\n2,old\n")
        .await
        .unwrap_err();
    assert_eq!(
        (late.kind(), late.retry_verdict()),
        (Kind::Conflict, Retry::Never)
    );
    // S3-32: the same version comes again; nothing is asked of the table.
    wire.follow(|_, _, _| Verdict::Pass);
    let loaded = world.attempt(&again(&second), "ID,Title\n1,new\n").await;
    assert_eq!(loaded.unwrap(), counts(1, 0, 0, 0));
    assert_eq!(wire.operations(), ["DescribeTable", "GetItem"]);
    // Another file is another matter.
    let other = delivery("b.csv", 1);
    let loaded = world.attempt(&other, "ID,Title\n1,other\n").await;
    assert_eq!(loaded.unwrap(), counts(0, 1, 0, 0));
    assert_eq!(
        world.items().await["1"],
        item(&[("ID", "1"), ("Title", "other")])
    );
}

#[tokio::test]
async fn foreign_versions_of_a_file_on_moto() {
    Box::pin(versions_of_a_file(&Server::moto().endpoint)).await;
}

#[tokio::test]
async fn foreign_versions_of_a_file_on_dynalite() {
    Box::pin(versions_of_a_file(&Server::dynalite().endpoint)).await;
}

async fn a_later_arrivals_rows_stay(endpoint: &str) {
    let wire = Wire::to(Some(endpoint)).await;
    let world = World::at(&wire.endpoint).await.with_sequence();
    let load = async |arrival, csv: &str| {
        let delivery = delivery(&format!("{arrival}.csv"), arrival);
        world.attempt(&delivery, csv).await.unwrap()
    };
    assert_eq!(
        load(5, "ID,Title\n1,five\n2,five\n").await,
        counts(2, 0, 0, 0)
    );
    // Row 2 is as it was, and from now on of arrival 7.
    assert_eq!(
        load(7, "ID,Title\n2,five\n3,seven\n").await,
        counts(1, 0, 1, 0)
    );
    assert_eq!(
        load(6, "ID,Title\n1,six\n2,six\n3,six\n4,six\n3,six again\n").await,
        counts(1, 1, 0, 3)
    );
    // A later arrival gets in between the look and the put.
    let late = world.table.table.clone();
    let somebody = client(endpoint).await;
    let put = move || {
        let row = item(&[("ID", "1"), ("Title", "nine")]);
        let request = somebody.put_item().table_name(&late).set_item(Some(row));
        let nine = aws_sdk_dynamodb::types::AttributeValue::N("9".to_owned());
        request.item("arrival", nine).send()
    };
    let mut put = Some(put);
    wire.follow(move |_, operation, body| {
        let is_ours = body["ReturnValues"] == "ALL_OLD";
        if let ("PutItem", true, Some(put)) = (operation, is_ours, put.take_if(|_| is_ours)) {
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(put()).unwrap();
            });
        }
        Verdict::Pass
    });
    assert_eq!(load(8, "ID,Title\n1,eight\n").await, counts(0, 0, 0, 1));
    let items = world.items().await;
    for (key, title, arrival) in [
        ("1", "nine", "9"),
        ("2", "five", "7"),
        ("3", "seven", "7"),
        ("4", "six", "6"),
    ] {
        let found = (&items[key]["Title"], &items[key]["arrival"]);
        assert_eq!(
            (
                found.0.as_s().unwrap().as_str(),
                found.1.as_n().unwrap().as_str()
            ),
            (title, arrival)
        );
    }
    // Somebody wrote something else there.
    world.put(&[("ID", "5"), ("arrival", "yesterday")]).await;
    let delivery = delivery("10.csv", 10);
    let odd = world
        .attempt(&delivery, "ID,Title\n5,ten\n")
        .await
        .unwrap_err();
    assert_eq!(odd.kind(), Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_a_later_arrivals_rows_stay_on_moto() {
    a_later_arrivals_rows_stay(&Server::moto().endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_a_later_arrivals_rows_stay_on_dynalite() {
    a_later_arrivals_rows_stay(&Server::dynalite().endpoint).await;
}

async fn in_batches(endpoint: &str) {
    let wire = Wire::to(Some(endpoint)).await;
    let mut world = World::at(&wire.endpoint).await.in_batches();
    world.limits.chunk_rows = 60;
    let rows: Vec<String> = (0..100)
        .map(|row| format!("{},{row}\n", row % 90))
        .collect();
    let csv = format!("ID,Title\n{}", rows.concat());
    // Of every batch some rows come back.
    wire.follow(|number, operation, _| match operation {
        "BatchWriteItem" if number % 2 == 0 => Verdict::FirstOnly(3),
        "BatchWriteItem" if number % 3 == 0 => Verdict::FirstOnly(0),
        _ => Verdict::Pass,
    });
    // Nobody looks what was there, so what is written counts as inserted.
    let loaded = world.attempt(&delivery("a.csv", 1), &csv).await;
    assert_eq!(loaded.unwrap(), counts(90, 0, 0, 10));
    // One look into the control table, none into the table.
    let looks = (wire.count("PutItem"), wire.count("BatchGetItem"));
    assert_eq!(looks, (0, 1));
    let items = world.items().await;
    assert_eq!(items.len(), 90);
    for (key, title) in [("3", "93"), ("9", "99"), ("10", "10"), ("89", "89")] {
        assert_eq!(items[key], item(&[("ID", key), ("Title", title)]));
    }
    wire.follow(|_, _, _| Verdict::Pass);
    let loaded = world.attempt(&delivery("b.csv", 2), &csv).await;
    assert_eq!(loaded.unwrap(), counts(90, 0, 0, 10));
    // 60 rows are three batches, and the 40 after them two.
    assert_eq!(wire.count("BatchWriteItem"), 5);
}

#[tokio::test]
async fn foreign_in_batches_on_moto() {
    in_batches(&Server::moto().endpoint).await;
}

#[tokio::test]
async fn foreign_in_batches_on_dynalite() {
    in_batches(&Server::dynalite().endpoint).await;
}
