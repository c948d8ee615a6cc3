use crate::settings::{add_route, config};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn an_attempt_that_does_not_move_is_reported_and_not_begun_twice() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    let world = World::new(config);
    let share = world.destination("share");
    share.hold();
    world.arrives("landing/north/a.csv").await;
    world.runs_until(|_| share.attempts() == 1).await;

    world.clock.set("2026-11-20T12:14:59Z".parse().unwrap());
    let next = world.pass("deliver").await.unwrap().next;
    assert_eq!(next, Some("2026-11-20T12:15:00Z".parse().unwrap()));
    assert!(world.firing().await.is_empty());
    world.clock.set("2026-11-20T12:15:00Z".parse().unwrap());
    world
        .runs_until(|world| world.mails("ops").len() == 1)
        .await;
    world.clock.set("2026-11-28T12:15:00Z".parse().unwrap());
    for _ in 0..10 {
        world.pass("deliver").await.unwrap();
        world.pass("alert").await.unwrap();
    }
    assert_eq!(
        world.mails("ops"),
        ["Delivery of landing/north/a.csv to share does not move"]
    );
    assert_eq!(share.attempts(), 1);

    share.release();
    world.settles().await;
    assert_eq!(share.landed().len(), 1);
    world.settles().await;
    assert!(world.firing().await.is_empty());
}
