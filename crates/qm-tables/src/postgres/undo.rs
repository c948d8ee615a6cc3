//! Taking back what a delivery loaded.

use qm_core::delivery::Delivery;
use qm_core::ports::access::Secret;

use super::fault::Sql;
use super::schema::{self, Place};
use super::session::Session;
use crate::sql::loads;
use crate::sql::undo::{Undo, kept_name, refusal};

/// In one transaction with the load's row.
pub(super) async fn undo(url: &Secret, table: &str, delivery: &Delivery) -> Sql<String> {
    let session = Session::open(url, None).await?;
    let client = &session.client;
    let place = schema::place(client, table).await?;
    let name = place.beside(loads::NAME);
    client.batch_execute("BEGIN").await?;
    client.batch_execute(&schema::take_turn(&place)).await?;
    let id = delivery.id.to_string();
    let load = if session.has_table(&name).await? {
        session.recorded(&place, delivery).await?
    } else {
        None
    };
    let built_on = match &load {
        None => 0,
        Some(load) => {
            let row = client
                .query_one(&loads::is_built_on(&name), &[&load.table, &id])
                .await?;
            row.try_get(0)?
        }
    };
    let load = refusal(load, built_on)?;
    let table = place.quoted();
    let sentence = match load.what {
        Undo::Appended => {
            let remove = format!("DELETE FROM {table} WHERE delivery = $1");
            let gone = client.execute(&remove, &[&id]).await?;
            format!("{gone} rows were removed")
        }
        Undo::Replaced => {
            let kept = place.beside(&kept_name(&place.table));
            let names = written_columns(&session, &place).await?;
            let gone = session.run(&format!("DELETE FROM {table}")).await?;
            let back = session
                .run(&format!(
                    "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {kept}"
                ))
                .await?;
            client.batch_execute(&format!("DROP TABLE {kept}")).await?;
            format!("{gone} rows were removed and the {back} before them put back")
        }
    };
    client.execute(&loads::undone(&name), &[&id]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(sentence)
}

/// All columns but those that the database computes.
async fn written_columns(session: &Session, place: &Place) -> Sql<String> {
    const LOOK: &str = "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''";
    let row = session.client.query_one(LOOK, &[&place.quoted()]).await?;
    Ok(row.try_get(0)?)
}
