//! Both ends of a transfer against each other, over connections that fail where a test wants it.

mod hostile;
mod table;
mod transfers;
