//! lapin over TLS: by password, by certificate, and not at all where the authority is another one.

use std::fs;

use anyhow::{Context, Result, bail};
use async_rs::Runtime;
use harefoot_compat::{same, setting};
use lapin::{
    BasicProperties, Connection, ConnectionProperties, options::*, tcp::{OwnedIdentity, OwnedTLSConfig}, types::FieldTable,
};

async fn there_and_back(uri: &str, config: OwnedTLSConfig) -> Result<()> {
    let runtime = Runtime::tokio_current();
    let connection = Connection::connect_with_config(uri, ConnectionProperties::default(), config, runtime).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), exclusive, FieldTable::default()).await?.name().clone();
    let body: Vec<u8> = (0..2u32 * 1024 * 1024 / 4).flat_map(u32::to_be_bytes).collect();
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.clone(), options, &body, BasicProperties::default()).await?.await?;
    let got = channel.basic_get(queue, BasicGetOptions { no_ack: true }).await?.context("no message")?;
    same(got.data.len(), body.len())?;
    same(got.data == body, true)?;
    connection.close(200, "bye".into()).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let (host, port) = (setting("TLS_HOST"), setting("TLS_PORT"));
    let trusting = |name: &str, identity| -> Result<OwnedTLSConfig> {
        Ok(OwnedTLSConfig { identity, cert_chain: Some(fs::read_to_string(setting(name))?) })
    };
    let by_password = format!("amqps://guest:guest@{host}:{port}/%2f");
    there_and_back(&by_password, trusting("TLS_CA", None)?).await?;
    println!("password");
    let identity = OwnedIdentity::PKCS8 { pem: fs::read(setting("TLS_CERT"))?, key: fs::read(setting("TLS_KEY"))? };
    let by_certificate = format!("amqps://{host}:{port}/%2f?auth_mechanism=external");
    there_and_back(&by_certificate, trusting("TLS_CA", Some(identity))?).await?;
    println!("certificate");
    if there_and_back(&by_password, trusting("TLS_STRANGER", None)?).await.is_ok() {
        bail!("trusted");
    }
    println!("distrusts");
    Ok(())
}
