//! AMQP 0-9-1 as a state machine: bytes in, commands out; events in, bytes out
