//! Out and watch: what happens after an arrival is recorded. One reconciler a file:
//!
//! | reconciler | looks for | does |
//! |---|---|---|
//! | [`RouteReconciler`] | arrivals in the outbox | creates their deliveries |
//! | [`DeliverReconciler`] | deliveries whose time has come | attempts them, records the outcome |
//! | [`ExpectReconciler`] | slots past their cutoff | met, or missed with an alert; late files |
//! | [`AlertReconciler`] | messages to send, uploads that broke off | tells people |
//! | [`TidyReconciler`] | objects whose deliveries have ended | removes, archives or quarantines them |
//! | [`RetainReconciler`] | bytes and events that nothing needs any more | removes them |
//! | [`NoticeReconciler`] | raw events from outside | lets what others put into a bucket arrive |
//!
//! Each finds its work by scanning durable rows; a [`Wake`] only says "look now" and carries
//! nothing. Every pass can be stopped at any instant and repeated: a repeat does no harm. Nothing
//! here names a protocol or a kind of destination; connectors and notifiers come through
//! [`Outside`].

mod alert;
mod deliver;
mod driver;
mod expect;
mod facts;
mod health;
mod notice;
mod pace;
mod pass;
mod ports;
mod purge;
mod retain;
mod route;
mod tidy;
mod wake;

pub use alert::AlertReconciler;
pub use deliver::DeliverReconciler;
pub use driver::{run, run_one};
pub use expect::ExpectReconciler;
pub use notice::NoticeReconciler;
pub use pass::{Pass, Reconciler};
pub use ports::{Outside, Ports, Running, Way};
pub use retain::RetainReconciler;
pub use route::RouteReconciler;
pub use tidy::TidyReconciler;
pub use wake::Wake;
