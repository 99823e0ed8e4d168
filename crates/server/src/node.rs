//! The life of a node, in the order in which it happens: open, recover, listen, serve, drain, stop.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use broker::Broker;
use model::{Table, Value};
use rustix::rand::{GetRandomFlags, getrandom};
use storage::{Engine, Fault, disk::os::OsDisk};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    banner,
    config::{Mechanism, Settings},
    data_folder::DataFolder,
    exit::Failure,
    limits,
    listener::{self, Service},
    threads::Threads,
    watch,
};

/// How long connections may take to say goodbye when the node stops.
const GOODBYE: Duration = Duration::from_secs(3);
/// How often it is looked whether they have.
const GOODBYE_LOOK: Duration = Duration::from_millis(20);

/// Runs a node until it is told to stop.
pub(crate) fn run(settings: &Settings, folder: &DataFolder) -> Result<(), Failure> {
    let (engine, recovered) = open_engine(folder)?;
    report(&recovered);
    let memory_bytes = limits::memory_bytes(settings.memory.total_bytes);
    let broker = Arc::new(
        Broker::recover(Arc::clone(&engine), &recovered, broker_settings(settings, memory_bytes))
            .context("the data folder cannot be read back")?,
    );
    let threads = Threads::start(&broker, &engine).context("cannot start the node's threads")?;
    set_up(&broker, settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(serve(settings, folder, &broker, &engine, memory_bytes));
    runtime.shutdown_timeout(GOODBYE);
    threads.stop();
    engine.close(&broker.delivered_below()).context("cannot close the log in order: the next start recovers it")?;
    served
}

fn open_engine(folder: &DataFolder) -> Result<(Arc<Engine>, storage::Recovered), Failure> {
    let disk = OsDisk::open(folder.path()).context("cannot open the data folder")?;
    match Engine::open(Arc::new(disk), storage::Options::default()) {
        Ok((engine, recovered)) => Ok((Arc::new(engine), recovered)),
        Err(Fault::NewerFormat { found, known }) => {
            Err(Failure::NewerFormat { data_dir: folder.path().to_owned(), found, known })
        }
        Err(fault) => Err(anyhow::Error::new(fault).context("the log cannot be opened").into()),
    }
}

/// What recovery found, for the operator.
fn report(recovered: &storage::Recovered) {
    let messages: u64 = recovered.logs.iter().map(|log| log.state.entries).sum();
    if !recovered.logs.is_empty() {
        tracing::info!(logs = recovered.logs.len(), entries = messages, clean = recovered.clean, "log recovered");
    }
    if let Some(torn) = &recovered.torn_tail {
        tracing::warn!(%torn, "the log ended in a write that was never confirmed: cut off and kept aside");
    }
    for damage in &recovered.damaged {
        tracing::error!(%damage, "the log is damaged: what it held may have been confirmed; it is kept aside");
    }
}

fn broker_settings(settings: &Settings, memory_bytes: u64) -> broker::Settings {
    broker::Settings {
        // A tenth of what there is, as long as that is not much: bodies are read back fast.
        resident_bytes_max: (memory_bytes / 10).clamp(8 * 1024 * 1024, 64 * 1024 * 1024),
        loopback_users: settings.loopback_users.iter().cloned().collect(),
        ..broker::Settings::default()
    }
}

/// An empty node gets its first user and vhost.
fn set_up(broker: &Broker, settings: &Settings) -> Result<(), Failure> {
    if !broker.is_new() {
        return Ok(());
    }
    let first = &settings.first_user;
    let mut salt = [0; 4];
    getrandom(&mut salt, GetRandomFlags::empty()).context("the system has no randomness")?;
    let tags: Vec<String> = first.tags.iter().cloned().collect();
    let wanted = broker::FirstUser {
        name: &first.name,
        password: &first.password,
        tags: &tags,
        vhost: &first.vhost,
        configure: &first.permissions.configure,
        write: &first.permissions.write,
        read: &first.permissions.read,
        salt,
    };
    broker.set_up(&wanted).context("the first user cannot be made")?;
    Ok(())
}

async fn serve(
    settings: &Settings,
    folder: &DataFolder,
    broker: &Arc<Broker>,
    engine: &Arc<Engine>,
    memory_bytes: u64,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let listeners = listener::bind_all(&settings.listeners.amqp)?;
    let bound: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let service = Service {
        broker: Arc::clone(broker),
        settings: Arc::new(amqp_settings(settings)),
        connections_max: settings.connection.connections_max,
    };
    let mut tasks: Vec<_> =
        listeners.into_iter().map(|listener| tokio::spawn(listener::accept(listener, service.clone()))).collect();
    tasks.push(tokio::spawn(watch::watch(
        Arc::clone(broker),
        Arc::clone(engine),
        watch::Thresholds::new(settings, memory_bytes, folder.path()),
    )));
    io::stdout()
        .write_all(banner::banner(settings, &bound, folder.path()).as_bytes())
        .context("cannot print where the node listens")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to stop (SIGTERM)"),
        _ = interrupt.recv() => tracing::info!("told to stop (SIGINT)"),
    }
    for task in tasks {
        task.abort();
    }
    drain(broker).await;
    Ok(())
}

/// Says goodbye to every connection and waits a little for it to be heard.
async fn drain(broker: &Broker) {
    broker.close_clients("broker forced connection closure with reason 'shutdown'");
    let goodbye = async {
        while broker.client_count() > 0 {
            tokio::time::sleep(GOODBYE_LOOK).await;
        }
    };
    if tokio::time::timeout(GOODBYE, goodbye).await.is_err() {
        tracing::info!(connections = broker.client_count(), "some connections did not say goodbye");
    }
}

fn amqp_settings(settings: &Settings) -> amqp091::Settings {
    let limits = &settings.connection;
    let mut amqp = amqp091::Settings::default();
    amqp.server_properties = server_properties(settings);
    amqp.mechanisms = limits
        .mechanisms
        .iter()
        .map(|mechanism| match mechanism {
            Mechanism::Plain => amqp091::Mechanism::Plain,
            Mechanism::AmqPlain => amqp091::Mechanism::AmqPlain,
        })
        .collect();
    amqp.channel_max = limits.channel_max;
    amqp.frame_max = limits.frame_max;
    amqp.initial_frame_max = limits.initial_frame_max;
    amqp.heartbeat_seconds = limits.heartbeat_s;
    amqp.message_bytes_max = limits.message_bytes_max;
    if let Some(timeout_ms) = limits.handshake_timeout_ms {
        amqp.handshake_timeout = Duration::from_millis(timeout_ms);
    }
    amqp
}

/// What clients are told of the server: RabbitMQ's keys, which they look at, and the truth beside them.
fn server_properties(settings: &Settings) -> Table {
    let mut capabilities = Table::default();
    for capability in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
    ] {
        capabilities.push(capability, Value::Bool(true));
    }
    let platform = format!("Rust, {}", std::env::consts::OS);
    let mut properties = Table::default();
    properties.push("capabilities", Value::Table(capabilities));
    for (key, value) in [
        ("cluster_name", settings.node_name.as_str()),
        ("copyright", "Copyright (c) the Harefoot contributors"),
        ("information", "Harefoot, a message broker that speaks RabbitMQ's protocols"),
        ("platform", platform.as_str()),
        ("product", settings.identity.product.as_str()),
        ("product_name", "Harefoot"),
        ("product_version", banner::VERSION),
        ("version", settings.identity.version.as_str()),
    ] {
        properties.push(key, Value::text(value));
    }
    properties
}
