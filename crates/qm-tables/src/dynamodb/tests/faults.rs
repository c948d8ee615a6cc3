//! A network and a service that fail: what passes is tried again and not counted twice, what does
//! not pass has a verdict, and the next attempt goes on.

use qm_core::{Kind, Retry};

use super::sample;
use super::server::Server;
use super::wire::{Verdict, Wire, refusal};
use super::world::{World, again, delivery};

/// Every third request suffers; whatever it is, one attempt gets through.
async fn what_passes(server: &Server, firsts: &[usize]) {
    let wire = Wire::to(Some(&server.endpoint)).await;
    for fault in [
        Verdict::Cut,
        Verdict::LoseAnswer,
        Verdict::FirstOnly(1),
        refusal("ProvisionedThroughputExceededException"),
        refusal("ThrottlingException"),
        refusal("RequestLimitExceeded"),
        refusal("InternalServerError"),
        refusal("TransactionConflictException"),
    ] {
        for &first in firsts {
            for in_batches in [false, true] {
                let mut world = World::at(&wire.endpoint).await;
                if in_batches {
                    world = world.in_batches();
                }
                wire.follow(|_, _, _| Verdict::Pass);
                sample::prepare(&world).await;
                let suffered = fault.clone();
                wire.follow(
                    move |number, operation, _| match (&suffered, number % 3 == first) {
                        (_, false) => Verdict::Pass,
                        (Verdict::FirstOnly(_), true) if !operation.starts_with("Batch") => {
                            Verdict::Pass
                        }
                        (fault, true) => fault.clone(),
                    },
                );
                let loaded = world.attempt(&delivery("a.csv", 1), sample::FILE).await;
                let expect = if in_batches {
                    sample::in_batches()
                } else {
                    sample::by_row()
                };
                assert_eq!(loaded.unwrap(), expect, "{fault:?} {first}");
                wire.follow(|_, _, _| Verdict::Pass);
                assert_eq!(world.items().await, sample::after(), "{fault:?} {first}");
            }
        }
    }
}

#[tokio::test]
async fn foreign_what_passes_is_tried_again_on_dynalite() {
    what_passes(&Server::dynalite(), &[0, 1, 2]).await;
}

#[tokio::test]
async fn foreign_what_passes_is_tried_again_on_moto() {
    what_passes(&Server::moto(), &[1]).await;
}

#[tokio::test]
async fn foreign_what_does_not_pass_has_a_verdict_and_the_next_attempt_goes_on() {
    let server = Server::dynalite();
    let wire = Wire::to(Some(&server.endpoint)).await;
    let check = async |operation: &'static str, from: usize, fault: Verdict, expect| {
        let world = World::at(&wire.endpoint).await;
        sample::prepare(&world).await;
        let (mut asked, lasting) = (0, fault.clone());
        wire.follow(move |_, found, _| {
            asked += usize::from(found == operation);
            if found == operation && asked >= from {
                lasting.clone()
            } else {
                Verdict::Pass
            }
        });
        let first = delivery("a.csv", 1);
        let error = world.attempt(&first, sample::FILE).await.unwrap_err();
        let found = (error.kind(), error.retry_verdict());
        assert_eq!(found, expect, "{operation} {from} {fault:?}: {error:?}");
        wire.follow(|_, _, _| Verdict::Pass);
        let loaded = world.attempt(&again(&first), sample::FILE).await;
        assert_eq!(
            loaded.unwrap(),
            sample::by_row(),
            "{operation} {from} {fault:?}"
        );
        assert_eq!(world.items().await, sample::after());
    };
    let throttled = (Kind::Limit, Retry::Later);
    let down = (Kind::Unavailable, Retry::Later);
    for (operation, from) in [
        ("DescribeTable", 2),
        ("GetItem", 1),
        ("GetItem", 3),
        ("UpdateItem", 1),
        ("UpdateItem", 4),
        ("UpdateItem", 8),
        ("BatchGetItem", 1),
        ("BatchGetItem", 3),
        ("PutItem", 1),
        ("PutItem", 6),
    ] {
        let slower = refusal("ProvisionedThroughputExceededException");
        check(operation, from, slower, throttled).await;
        check(operation, from, refusal("InternalServerError"), down).await;
        check(operation, from, Verdict::Cut, down).await;
        check(operation, from, refusal("ExpiredTokenException"), down).await;
    }
    for (code, expect) in [
        ("AccessDeniedException", down),
        ("UnrecognizedClientException", down),
        ("ResourceNotFoundException", (Kind::NotFound, Retry::Later)),
        ("ValidationException", (Kind::Invalid, Retry::Never)),
        (
            "ItemCollectionSizeLimitExceededException",
            (Kind::Limit, Retry::Never),
        ),
        ("SomethingNew", down),
    ] {
        check("PutItem", 3, refusal(code), expect).await;
    }
}

/// A network that stays away, from the first request on.
#[tokio::test]
async fn a_service_that_cannot_be_reached_may_be_later() {
    let world = World::at("http://127.0.0.1:1").await;
    let error = world
        .attempt(&delivery("a.csv", 1), sample::FILE)
        .await
        .unwrap_err();
    let found = (error.kind(), error.retry_verdict(), error.public_message());
    assert_eq!(
        found,
        (
            Kind::Unavailable,
            Retry::Later,
            "DynamoDB cannot be reached"
        )
    );
}

#[tokio::test]
async fn a_table_that_throttles_for_good_is_a_limit_and_no_storm() {
    let wire = Wire::to(None).await;
    let world = World::at(&wire.endpoint).await;
    wire.follow(|_, operation, body| match operation {
        "DescribeTable" => super::tables::described(body),
        "PutItem" => refusal("ThrottlingException"),
        _ => Verdict::Answer(200, serde_json::json!({})),
    });
    let error = world
        .attempt(&delivery("a.csv", 1), sample::FILE)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.public_message()),
        (
            Kind::Limit,
            format!(
                "DynamoDB takes no more requests for table `{}` for now",
                world.table.table
            )
            .as_str()
        )
    );
    // Three at once, then one at a time after each of four waits.
    assert!(wire.count("PutItem") <= 8, "{:?}", wire.operations());
}
