//! Who the node is, what it uses, what came and went.

use std::net::SocketAddr;

use super::{
    Scope,
    page::{Kind, Page, labels},
};
use crate::{Api, api::sessions::protocol_of};

impl Api {
    pub(super) fn write_identity(&self, page: &mut Page, local: SocketAddr) {
        let identity = self.identity();
        let version = identity.rabbitmq_version.as_str();
        let build = labels(&[
            ("rabbitmq_version", version),
            ("prometheus_plugin_version", version),
            ("prometheus_client_version", &identity.version),
            ("erlang_version", "none"),
            ("product_name", &identity.product_name),
            ("product_version", version),
        ]);
        let help = "RabbitMQ & Erlang/OTP version info";
        page.family_of("rabbitmq_", "build_info", Kind::Untyped, help).put(&build, 1);
        let cluster = self.cluster_name();
        let who = labels(&[
            ("rabbitmq_node", &identity.node),
            ("rabbitmq_cluster", &cluster),
            // There is one node: who it is says which cluster it is.
            ("rabbitmq_cluster_permanent_id", &identity.node),
            ("rabbitmq_endpoint", &format!("prometheus://{local}")),
        ]);
        let help = "RabbitMQ node & cluster identity info";
        page.family_of("rabbitmq_", "identity_info", Kind::Untyped, help).put(&who, 1);
        let help = "Harefoot's own version";
        let own = labels(&[("version", &identity.version)]);
        page.family_of("harefoot_", "build_info", Kind::Gauge, help).put(&own, 1);
    }

    pub(super) fn write_node(&self, page: &mut Page, scope: &Scope) {
        if scope.wants("connection_churn_metrics") {
            self.write_churn(page);
        }
        if scope.wants("node_coarse_metrics") || scope.wants("node_metrics") {
            self.write_usage(page);
        }
        if scope.wants("auth_attempt_metrics") {
            self.write_logins(page);
        }
        if !matches!(scope, Scope::Detailed { .. }) {
            self.write_alarms(page);
            self.write_objects(page);
        }
        if scope.wants("vhost_status") && scope.is_by_object() {
            let help = "Whether a given virtual host is running";
            let mut family = page.family_of("rabbitmq_cluster_", "vhost_status", Kind::Gauge, help);
            for vhost in self.vhost_names() {
                family.put(&labels(&[("vhost", &vhost)]), 1);
            }
        }
    }

    fn write_churn(&self, page: &mut Page) {
        let counts = self.broker().node_counts();
        let (opened, closed) = counts.connections();
        let (channels_opened, channels_closed) = counts.sessions();
        let (declared, created, deleted) = counts.queues();
        for (name, help, value) in [
            ("connections_opened_total", "Total number of connections opened", opened),
            ("connections_closed_total", "Total number of connections closed or terminated", closed),
            ("channels_opened_total", "Total number of channels opened", channels_opened),
            ("channels_closed_total", "Total number of channels closed", channels_closed),
            ("queues_declared_total", "Total number of queues declared", declared),
            ("queues_created_total", "Total number of queues created", created),
            ("queues_deleted_total", "Total number of queues deleted", deleted),
        ] {
            page.family(name, Kind::Counter, help).put("", value);
        }
    }

    fn write_usage(&self, page: &mut Page) {
        let usage = self.world().usage();
        let clients = self.broker().client_count() as u64;
        for (name, help, value) in [
            ("process_open_fds", "Open file descriptors", usage.open_files),
            ("process_max_fds", "Open file descriptors limit", usage.open_files_max),
            ("process_open_tcp_sockets", "Open TCP sockets", clients),
            ("process_max_tcp_sockets", "Open TCP sockets limit", usage.open_files_max),
            ("process_resident_memory_bytes", "Memory used in bytes", usage.memory_bytes),
            ("resident_memory_limit_bytes", "Memory high watermark in bytes", usage.memory_bytes_max),
            ("disk_space_available_bytes", "Disk space available in bytes", usage.disk_free_bytes),
            (
                "disk_space_available_limit_bytes",
                "Free disk space low watermark in bytes",
                usage.disk_free_bytes_min,
            ),
        ] {
            page.family(name, Kind::Gauge, help).put("", value);
        }
        // RabbitMQ's name, and its dashboard's: here it is no Erlang that is up.
        let help = "Node uptime";
        page.family("erlang_uptime_seconds", Kind::Gauge, help).put("", usage.uptime_ms as f64 / 1000.0);
    }

    fn write_logins(&self, page: &mut Page) {
        type Column = (&'static str, &'static str, fn(u64, u64) -> u64);
        let columns: [Column; 3] = [
            ("auth_attempts_total", "Total number of authentication attempts", u64::wrapping_add),
            (
                "auth_attempts_succeeded_total",
                "Total number of successful authentication attempts",
                |succeeded, _| succeeded,
            ),
            ("auth_attempts_failed_total", "Total number of failed authentication attempts", |_, failed| {
                failed
            }),
        ];
        let counts = self.broker().login_counts();
        for (name, help, read) in columns {
            let mut family = page.family(name, Kind::Counter, help);
            for (door, succeeded, failed) in counts {
                family.put(&labels(&[("protocol", protocol_of(door))]), read(succeeded, failed));
            }
        }
    }

    fn write_alarms(&self, page: &mut Page) {
        let alarms = self.broker().alarms().resources();
        for (name, help, resource) in [
            (
                "alarms_file_descriptor_limit",
                "is 1 if file descriptor limit alarm is in effect",
                "file_descriptors",
            ),
            (
                "alarms_free_disk_space_watermark",
                "is 1 if free disk space watermark alarm is in effect",
                "disk",
            ),
            ("alarms_memory_used_watermark", "is 1 if VM memory watermark alarm is in effect", "memory"),
        ] {
            let is_on = u8::from(alarms.contains(&resource));
            page.family(name, Kind::Untyped, help).put("", is_on);
        }
    }

    fn write_objects(&self, page: &mut Page) {
        let vhosts = self.vhost_names();
        let connected = self.broker().connected();
        let channels: u64 = connected.iter().map(|one| u64::from(one.sessions())).sum();
        let consumers: u64 = vhosts.iter().map(|vhost| self.broker().sums(vhost).consumers).sum();
        let topology = self.broker().topology().read();
        let queues: usize = vhosts.iter().map(|vhost| topology.queue_count(vhost)).sum();
        let connections = connected.iter().filter(|one| one.ends.is_some()).count();
        for (name, help, value) in [
            ("connections", "Connections currently open", connections as u64),
            ("channels", "Channels currently open", channels),
            ("consumers", "Consumers currently connected", consumers),
            ("queues", "Queues available", queues as u64),
        ] {
            page.family(name, Kind::Gauge, help).put("", value);
        }
    }
}
