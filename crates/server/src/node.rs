//! The life of a node, in the order in which it happens: open, recover, listen, serve, drain, stop.

use std::{
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use amqp091::reply::Reply;
use anyhow::{Context, anyhow};
use broker::{Broker, First, topology::PermissionPatterns};
use management::{Api, Listening};
use model::{Name, Refusal, Secret, Value};
use rustix::rand::{GetRandomFlags, getrandom};
use storage::{Engine, Fault, disk::os::OsDisk};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    banner,
    config::{
        Settings,
        said::Said,
        settings::{ConnectionLimits, Mechanism},
    },
    connection::wall_clock_ms,
    data_folder::DataFolder,
    definitions,
    exit::Failure,
    gates::{Gates, HANDSHAKE_MS_MAX},
    http::Site,
    leader::Leader,
    limits,
    listener::Service,
    log::Started,
    operator::OperatorSocket,
    sampling,
    sockets::Sockets,
    surroundings::Surroundings,
    switches::Switches,
    threads::Threads,
    watch::Watch,
};

/// What a machine is taken to have that does not tell.
const MEMORY_BYTES_ASSUMED: u64 = 1024 * 1024 * 1024;
/// How long connections may take to say goodbye when the node stops.
const GOODBYE: Duration = Duration::from_secs(3);
/// How often it is looked whether they have.
const GOODBYE_LOOK: Duration = Duration::from_millis(20);

/// Runs a node until it is told to stop.
pub(crate) fn run(
    settings: &Settings,
    said: Vec<Said>,
    gates: Gates,
    folder: &DataFolder,
    log: Started,
) -> Result<(), Failure> {
    let (engine, recovered) = open_engine(folder)?;
    report(&recovered);
    let memory_bytes =
        settings.memory.total_bytes.or_else(limits::total_memory_bytes).unwrap_or(MEMORY_BYTES_ASSUMED);
    let broker = Arc::new(
        Broker::recover(Arc::clone(&engine), &recovered, broker_settings(settings, memory_bytes)?)
            .context("the data folder cannot be read back")?,
    );
    let switches = Arc::new(Switches::new(settings));
    let watch = Arc::new(Watch::new(&broker, &engine, &switches, memory_bytes, folder.path()));
    let lines = log.lines.map(|lines| (lines, settings.log.format));
    let leader = Arc::new(Leader::new(&broker, &engine));
    let threads = Threads::start(&broker, &engine, &leader, &watch, lines);
    let threads = threads.context("cannot start the node's threads")?;
    set_up(&broker, settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let open = switches.opening();
    let surroundings = Surroundings {
        started: Instant::now(),
        data_dir: folder.path().to_owned(),
        engine: Arc::clone(&engine),
        settings: settings.clone(),
        said,
        gates: gates.clone(),
        total_memory_bytes: memory_bytes,
        broker: Arc::clone(&broker),
        switches,
        watch: Arc::clone(&watch),
        log: log.control,
    };
    let served =
        runtime.block_on(serve(settings, gates, folder, &broker, watch, (surroundings, leader, open)));
    runtime.shutdown_timeout(GOODBYE);
    threads.stop();
    let is_marked = engine
        .close(broker.delivered_below())
        .context("cannot close the log in order: the next start recovers it")?;
    if !is_marked {
        tracing::warn!("no space to mark the stop as clean: the next start recovers the log");
    }
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
        tracing::info!(
            logs = recovered.logs.len(),
            entries = messages,
            clean = recovered.clean,
            "log recovered"
        );
    }
    if let Some(torn) = &recovered.torn_tail {
        tracing::warn!(file = torn.file, offset = torn.offset, bytes = torn.len, kept = ?torn.kept, "the log ended in a write that was never confirmed: cut off and kept aside");
    }
    for damage in &recovered.damaged {
        let log = damage.log.map(|log| log.0);
        tracing::error!(
            file = damage.file, offset = damage.offset, log, reason = %damage.reason, kept = ?damage.kept,
            "the log is damaged: what it held there may have been confirmed"
        );
    }
}

/// What of the memory is for what.
pub(crate) struct MemoryShares {
    /// A tenth of what there is, as long as that is not much: bodies are read back fast.
    pub(crate) resident_bytes_max: u64,
    /// What waits for the disk is in memory twice.
    pub(crate) staged_bytes_max: u64,
}

/// The shares of so much memory.
pub(crate) fn memory_shares(memory_bytes: u64) -> MemoryShares {
    let (least, most) = (8 * 1024 * 1024, 64 * 1024 * 1024);
    MemoryShares {
        resident_bytes_max: (memory_bytes / 10).clamp(least, most),
        staged_bytes_max: (memory_bytes / 16).clamp(least, most),
    }
}

fn broker_settings(settings: &Settings, memory_bytes: u64) -> Result<broker::Settings, Failure> {
    let mut salts = Vec::new();
    for _ in &settings.metadata.default_users {
        salts.push(random_salt()?);
    }
    let node_rules = settings.metadata.node_rules(|| salts.pop().unwrap_or_default());
    let MemoryShares { resident_bytes_max, staged_bytes_max } = memory_shares(memory_bytes);
    Ok(broker::Settings {
        stamps: settings.stamps,
        node_rules: Arc::new(node_rules.context("a pattern of the configuration cannot be used")?),
        resident_bytes_max,
        staged_bytes_max,
        loopback_users: settings.loopback_users.iter().cloned().collect(),
        node: Name::parse(&settings.node_name).unwrap_or_default(),
        event_vhost: settings.event_vhost.clone().unwrap_or_else(|| settings.first_user.vhost.clone()),
        connections_max: settings.connection.connections_max.map(u64::from),
        sessions_max: settings.connection.node_channels_max,
        consumers_per_session_max: settings.connection.channel_consumers_max.unwrap_or(u32::MAX),
        consumer_timeout_ms: settings.connection.consumer_timeout_ms,
        timeout_ends_session: settings.connection.timeout_closes_channel,
        ..broker::Settings::default()
    })
}

fn random_salt() -> Result<[u8; 4], Failure> {
    let mut salt = [0; 4];
    getrandom(&mut salt, GetRandomFlags::empty()).context("the system has no randomness")?;
    Ok(salt)
}

/// An empty node gets its first user and vhost, unless (RabbitMQ) definitions say who is to be there.
fn set_up(broker: &Broker, settings: &Settings) -> Result<(), Failure> {
    if !broker.is_new() || settings.definitions.is_some() {
        return Ok(());
    }
    let wanted = &settings.first_user;
    let salt = random_salt()?;
    let tags = wanted
        .tags
        .iter()
        .map(|tag| Name::parse(tag))
        .collect::<Result<_, _>>()
        .context("a tag is too long")?;
    let first = First {
        user: wanted.name.clone(),
        password: wanted.password.clone(),
        tags,
        vhost: wanted.vhost.clone(),
        permissions: PermissionPatterns {
            configure: wanted.permissions.configure.clone(),
            write: wanted.permissions.write.clone(),
            read: wanted.permissions.read.clone(),
        },
    };
    let made = broker.set_up(first, salt, wall_clock_ms());
    made.map_err(|refusal| anyhow!("the first user cannot be made: {refusal:?}").into())
}

/// The exchanges to which the node itself publishes. Their vhost may have come with the definitions.
fn add_own_exchanges(broker: &Broker, settings: &Settings) -> Result<(), Failure> {
    let refused =
        |what: &str, refusal: Refusal| anyhow!("the exchange of {what} cannot be made: {refusal:?}");
    broker.add_event_exchange(wall_clock_ms()).map_err(|refusal| refused("events", refusal))?;
    if settings.log.has_exchange {
        broker.add_log_exchange(wall_clock_ms()).map_err(|refusal| refused("the log", refusal))?;
    }
    Ok(())
}

async fn serve(
    settings: &Settings,
    gates: Gates,
    folder: &DataFolder,
    broker: &Arc<Broker>,
    watch: Arc<Watch>,
    (surroundings, leader, open): (Surroundings, Arc<Leader>, tokio::sync::watch::Receiver<bool>),
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let sockets = Sockets::bind(&settings.listeners)?;
    let listening = sockets.listening();
    let is_external = settings.connection.mechanisms.contains(&Mechanism::External);
    let service = Service {
        broker: Arc::clone(broker),
        leader,
        settings: Arc::new(amqp_settings(settings)),
        connections_max: settings.connection.connections_max,
        gate: gates.amqp.clone().map(|gate| (gate, is_external.then_some(settings.login_from))),
        open,
    };
    let api = api(settings, (broker, folder), surroundings, listening.clone())
        .with_options(settings.http.clone())
        .context("`management.csp.policy` and `management.hsts.policy` have to be a header of HTTP")?;
    if let Some(path) = &settings.definitions {
        definitions::load(&api, path)?;
    }
    add_own_exchanges(broker, settings)?;
    let api = Arc::new(api);
    let site = Site::new(Arc::clone(&api));
    let operator = OperatorSocket::bind(folder.path());
    let mut tasks = sockets.serve(&service, &site, &gates);
    match operator {
        Ok(socket) => tasks.push(tokio::spawn(socket.accept(site))),
        Err(error) => {
            tracing::warn!(%error, "no socket for operators in the data folder: the command line needs --url and a login");
        }
    }
    tasks.extend(gates.watch());
    tasks.push(tokio::spawn(async move { watch.run().await }));
    tasks.push(tokio::spawn(sampling::run(api)));
    io::stdout()
        .write_all(banner::banner(settings, &listening, folder.path()).as_bytes())
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

/// The HTTP API of this node.
fn api(
    settings: &Settings,
    (broker, folder): (&Arc<Broker>, &DataFolder),
    surroundings: Surroundings,
    listening: Vec<Listening>,
) -> Api {
    let identity = management::Identity {
        node: settings.node_name.clone(),
        rabbitmq_version: settings.identity.version.clone(),
        product_name: settings.identity.product.clone(),
        version: banner::VERSION.to_owned(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        process_id: std::process::id(),
        data_dir: folder.path().display().to_string(),
        config_files: settings.config_files.iter().map(|file| file.display().to_string()).collect(),
    };
    Api::new(Arc::clone(broker), Arc::new(surroundings), in_words, identity, listening)
}

/// A refusal as a client of AMQP would be told it.
fn in_words(refusal: &Refusal) -> (u16, String) {
    let reply = Reply::from_refusal(refusal);
    (reply.code.number(), reply.text)
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

fn anonymous(limits: &ConnectionLimits) -> Option<(Name, Secret)> {
    let user = limits.anonymous_user.clone().filter(|_| limits.mechanisms.contains(&Mechanism::Anonymous))?;
    Some((user, limits.anonymous_password.clone()))
}

fn amqp_settings(settings: &Settings) -> amqp091::Settings {
    let limits = &settings.connection;
    let mut amqp = amqp091::Settings {
        server_properties: amqp091::Settings::server_properties(
            &settings.identity.product,
            &settings.identity.version,
            &settings.node_name,
        ),
        plain: limits.mechanisms.contains(&Mechanism::Plain),
        amqplain: limits.mechanisms.contains(&Mechanism::AmqPlain),
        anonymous: anonymous(limits),
        channel_max: limits.channel_max,
        frame_max: limits.frame_max,
        initial_frame_max: limits.initial_frame_max,
        heartbeat_seconds: limits.heartbeat_s,
        message_bytes_max: limits.message_bytes_max,
        // Without a limit of its own a handshake may still not take for ever.
        handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms.unwrap_or(HANDSHAKE_MS_MAX)),
        ..amqp091::Settings::default()
    };
    // What clients look at says RabbitMQ; the truth stands beside it.
    let platform = format!("Rust on {}", std::env::consts::OS);
    for (key, value) in [
        ("copyright", "Copyright (c) the Harefoot contributors"),
        ("information", "Harefoot, a message broker that speaks RabbitMQ's protocols"),
        ("platform", platform.as_str()),
        ("product_name", "Harefoot"),
        ("product_version", banner::VERSION),
    ] {
        amqp.server_properties.push(key, Value::text(value));
    }
    amqp.server_properties.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    amqp
}
