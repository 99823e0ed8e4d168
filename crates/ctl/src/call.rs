//! One command being carried out: its line, its output, and the node once it is needed.

use serde_json::Value as Json;

use crate::{
    Program,
    exchange::Answer,
    failure::Failure,
    line::{Line, Wish},
    node::Node,
    output::{self, Output},
    usage,
};

/// See the module's documentation.
pub(crate) struct Call {
    pub(crate) line: Line,
    pub(crate) out: Output,
    pub(crate) versions: Program,
    node: Option<Node>,
}

/// Carries a line out.
pub(crate) fn carry_out(line: Line, versions: Program) -> Result<(), Failure> {
    let out = Output::new(&line);
    let mut call = Call { line, out, versions, node: None };
    let tool = call.line.tool;
    let command = match (call.line.wish, call.line.command) {
        (Wish::Version, _) => return call.out.tell("version", versions.rabbitmq),
        (Wish::Help, None) => return call.out.tell("help", &usage::of_tool(tool)),
        (Wish::Help, Some(command)) => return call.out.tell("help", &usage::of_command(tool, command)),
        (Wish::Run, None) => {
            let failure = Failure::usage(usage::of_tool(tool));
            call.out.finish("", &Err(failure.clone()))?;
            return Err(call.ended(failure));
        }
        (Wish::Run, Some(command)) => command,
    };
    let outcome = (command.run)(&mut call);
    let outcome = outcome.map_err(|failure| failure.with_usage(&call.line.given, &call.line.usage()));
    call.out.finish(command.name, &outcome)?;
    outcome.map_err(|failure| call.ended(failure))
}

impl Call {
    /// A failure that `--json` has told is not told again.
    fn ended(&self, failure: Failure) -> Failure {
        if self.out.style() == output::Style::Envelope { Failure::silent(failure.code()) } else { failure }
    }

    /// An argument; empty beyond the last.
    pub(crate) fn word(&self, at: usize) -> &str {
        self.line.words.get(at).map_or("", String::as_str)
    }

    /// As [`Self::word`], its own.
    pub(crate) fn own_word(&self, at: usize) -> String {
        self.word(at).to_owned()
    }

    pub(crate) fn vhost(&self) -> String {
        self.line.option("--vhost").unwrap_or("/").to_owned()
    }

    pub(crate) fn option(&self, long: &str) -> Option<String> {
        self.line.option(long).map(str::to_owned)
    }

    pub(crate) fn has(&self, long: &str) -> bool {
        self.line.has(long)
    }

    /// What is about to be done; nothing is if the node cannot be reached.
    pub(crate) fn announce(&mut self, text: &str) -> Result<(), Failure> {
        self.node()?.reach()?;
        self.out.announce(text)
    }

    /// The node. Another one than `--node` says is none.
    pub(crate) fn node(&mut self) -> Result<&mut Node, Failure> {
        if self.node.is_none() {
            let mut node = Node::new(&self.line)?;
            if let Some(meant) = self.line.option("--node") {
                node.require_name(meant)?;
            }
            self.node = Some(node);
        }
        self.node.as_mut().ok_or_else(|| Failure::software("there is no node"))
    }

    /// A new connection is made for the next request.
    pub(crate) fn forget_node(&mut self) {
        self.node = None;
    }

    /// What the node calls itself.
    pub(crate) fn node_name(&mut self) -> Result<String, Failure> {
        self.node()?.name()
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Json, Failure> {
        self.node()?.get(path)
    }

    pub(crate) fn find(&mut self, path: &str) -> Result<Option<Json>, Failure> {
        self.node()?.find(path)
    }

    pub(crate) fn put(&mut self, path: &str, body: &Json) -> Result<Answer, Failure> {
        self.node()?.put(path, body)
    }

    pub(crate) fn post(&mut self, path: &str, body: &Json) -> Result<Answer, Failure> {
        self.node()?.post(path, body)
    }

    pub(crate) fn delete(&mut self, path: &str) -> Result<Answer, Failure> {
        self.node()?.delete(path)
    }
}
