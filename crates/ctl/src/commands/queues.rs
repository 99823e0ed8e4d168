//! What is done to a queue: emptied, deleted.

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    progress::Progress,
    tool::CTL,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "purge_queue",
        CTL,
        Group::Queues,
        "<queue> [--timeout <timeout>]",
        "Empties a queue: all messages that are ready are gone",
        purge,
    )
    .words(1, 1),
    Command::new(
        "delete_queue",
        CTL,
        Group::Queues,
        "[--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u] [--timeout <timeout>]",
        "Deletes a queue with all that is in it",
        delete,
    )
    .words(1, 1)
    .options(&[
        Opt::flag("--if-empty", "only if there is no message in it").short("-e"),
        Opt::flag("--if-unused", "only if nobody consumes from it").short("-u"),
    ]),
];

fn purge(call: &mut Call) -> Result<(), Failure> {
    let (vhost, queue) = (call.vhost(), call.own_word(0));
    call.announce(&format!("Purging queue '{queue}' in vhost '{vhost}' ..."))?;
    let at = path(&["queues", &vhost, &queue]);
    let Some(found) =
        call.find(&format!("{at}?columns=type&disable_stats=true"))?.filter(|_| !queue.is_empty())
    else {
        return Err(Failure::unavailable("not_found"));
    };
    if found["type"] == "stream" {
        return Err(Failure::unavailable("not_supported"));
    }
    let progress = Progress::new("purging", 0);
    let answer = call.delete(&format!("{at}/contents"));
    drop(progress);
    answer?.checked().map(drop)
}

fn delete(call: &mut Call) -> Result<(), Failure> {
    let (vhost, queue) = (call.vhost(), call.own_word(0));
    let (if_empty, if_unused) = (call.has("--if-empty"), call.has("--if-unused"));
    let condition = match (if_empty, if_unused) {
        (true, true) => "if queue is empty and if queue is unused ",
        (true, false) => "if queue is empty ",
        (false, true) => "if queue is unused ",
        (false, false) => "",
    };
    call.announce(&format!("Deleting queue '{queue}' on vhost '{vhost}' {condition}..."))?;
    let at = path(&["queues", &vhost, &queue]);
    let counts = "columns=messages_ready&disable_stats=true&enable_queue_totals=true";
    let found = call.find(&format!("{at}?{counts}"))?.filter(|_| !queue.is_empty());
    let found = found.ok_or_else(|| Failure::not_found("Queue not found"))?;
    let mut conditions = Vec::new();
    conditions.extend(if_empty.then_some("if-empty=true"));
    conditions.extend(if_unused.then_some("if-unused=true"));
    let answer = call.delete(&format!("{at}?{}", conditions.join("&")))?;
    let reason = answer.reason();
    match answer.status {
        404 => return Err(Failure::not_found("Queue not found")),
        400 if reason.ends_with("not empty") => return Err(Failure::not_found("Queue is not empty")),
        400 if reason.ends_with("in use") => return Err(Failure::not_found("Queue is in use")),
        _ => answer.checked()?,
    };
    let ready = found["messages_ready"].as_u64().unwrap_or_default();
    call.out.note("messages_ready", ready.into());
    call.out.say(&format!("Queue was successfully deleted with {ready} ready messages"))
}
