//! The core: topology, routing, sessions, queues
