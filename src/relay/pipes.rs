//! The pipes of one worker: what bytes go through on their way from one socket to the other without
//! being copied (splice(2)).
//!
//! 1. A direction that has something to move is lent a pipe: one of the few large ones, else a small
//!    one. While nothing comes it has none.
//! 2. What was spliced in is spliced out before more is: the pipe holds what the receiver has not
//!    taken, which is all that a stalled pairing holds.
//! 3. An empty pipe goes back to be lent again; one with bytes in it, of a pairing that was cut off,
//!    is closed.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};

use crate::base::limits::{
    RELAY_PIPE_SIZE_LARGE, RELAY_PIPE_SIZE_SMALL, RELAY_PIPES_LARGE_MAX, RELAY_PIPES_SMALL_KEPT,
};

/// The pipes of one worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipes {
    shelf: Rc<RefCell<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    large: Vec<Pipe>,
    small: Vec<Pipe>,
    /// Large ones that exist, on the shelf or lent.
    large_count: usize,
}

#[derive(Debug)]
struct Pipe {
    read_end: OwnedFd,
    write_end: OwnedFd,
    capacity: usize,
    is_large: bool,
}

/// A pipe on loan.
#[derive(Debug)]
pub(super) struct Lent {
    /// Gone when it is given back.
    pipe: Option<Pipe>,
    held_bytes: usize,
    shelf: Rc<RefCell<Shelf>>,
}

impl Pipes {
    /// A pipe: large, if that is wanted and one is left.
    pub(super) fn lend(&self, wants_large: bool) -> io::Result<Lent> {
        let pipe = self.shelf.borrow_mut().take(wants_large)?;
        Ok(Lent { pipe: Some(pipe), held_bytes: 0, shelf: Rc::clone(&self.shelf) })
    }
}

impl Shelf {
    fn take(&mut self, wants_large: bool) -> io::Result<Pipe> {
        if wants_large {
            if let Some(pipe) = self.large.pop() {
                return Ok(pipe);
            }
            if self.large_count < RELAY_PIPES_LARGE_MAX {
                let pipe = Pipe::new(true)?;
                self.large_count += 1;
                return Ok(pipe);
            }
        }
        self.small.pop().map_or_else(|| Pipe::new(false), Ok)
    }

    fn put_back(&mut self, pipe: Pipe, is_empty: bool) {
        let is_kept = is_empty && (pipe.is_large || self.small.len() < RELAY_PIPES_SMALL_KEPT);
        match (is_kept, pipe.is_large) {
            (true, true) => self.large.push(pipe),
            (true, false) => self.small.push(pipe),
            (false, true) => self.large_count -= 1,
            (false, false) => {}
        }
    }
}

impl Pipe {
    fn new(is_large: bool) -> io::Result<Pipe> {
        let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let wanted = if is_large { RELAY_PIPE_SIZE_LARGE } else { RELAY_PIPE_SIZE_SMALL };
        // A user who has many pipes gets no more than two pages each: slower, and not wrong.
        let _ = fcntl_setpipe_size(&write_end, wanted);
        let capacity = fcntl_getpipe_size(&write_end)?;
        Ok(Pipe { read_end, write_end, capacity, is_large })
    }
}

impl Lent {
    /// Most bytes it takes.
    pub(super) fn capacity(&self) -> usize {
        self.pipe().capacity
    }

    /// Bytes in it.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Moves what is there of at most `size` bytes from a socket into the empty pipe; 0 is the
    /// socket's end. Does not wait.
    pub(super) fn fill(&mut self, socket: impl AsFd, size: usize) -> io::Result<usize> {
        assert_eq!(self.held_bytes, 0, "what is in the pipe goes first");
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let moved = splice(socket, None, &self.pipe().write_end, None, size, flags)?;
        self.held_bytes = moved;
        Ok(moved)
    }

    /// Moves what the socket takes out of the pipe. Does not wait.
    pub(super) fn empty(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let moved = splice(&self.pipe().read_end, None, socket, None, self.held_bytes, flags)?;
        self.held_bytes -= moved;
        Ok(moved)
    }

    fn pipe(&self) -> &Pipe {
        let Some(pipe) = &self.pipe else { unreachable!("a pipe is lent until it is dropped") };
        pipe
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.shelf.borrow_mut().put_back(pipe, self.held_bytes == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn bytes_go_through_a_pipe_as_they_came() {
        let (mut sender, source) = pair();
        let (target, mut receiver) = pair();
        sender.write_all(b"hello, ring").unwrap();
        let mut lent = Pipes::default().lend(true).unwrap();
        let mut moved = 0;
        while moved < 11 {
            moved += lent.fill(&source, lent.capacity()).unwrap();
            while lent.held_bytes() > 0 {
                lent.empty(&target).unwrap();
            }
        }
        let mut read = [0; 11];
        receiver.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"hello, ring");
        drop(sender);
        assert_eq!(lent.fill(&source, 10).unwrap(), 0, "the end is told from silence");
    }

    #[test]
    fn large_pipes_are_few_and_lent_again() {
        let pipes = Pipes::default();
        let mut lent: Vec<Lent> =
            (0..=RELAY_PIPES_LARGE_MAX).map(|_| pipes.lend(true).unwrap()).collect();
        assert!(lent.pop().is_some_and(|last| last.capacity() <= RELAY_PIPE_SIZE_SMALL));
        lent.pop();
        assert!(pipes.lend(true).unwrap().pipe().is_large, "the one that was given back");
        lent.clear();
        assert_eq!(pipes.shelf.borrow().large.len(), RELAY_PIPES_LARGE_MAX);
        assert!(!pipes.lend(false).unwrap().pipe().is_large, "where it is not wanted");
    }

    #[test]
    fn a_pipe_with_bytes_in_it_is_not_lent_again() {
        let (mut sender, source) = pair();
        sender.write_all(b"secret").unwrap();
        let pipes = Pipes::default();
        for wants_large in [true, false] {
            let mut lent = pipes.lend(wants_large).unwrap();
            assert!(lent.fill(&source, 3).unwrap() > 0);
        }
        let shelf = pipes.shelf.borrow();
        assert_eq!((shelf.large.len(), shelf.small.len(), shelf.large_count), (0, 0, 0));
    }
}
