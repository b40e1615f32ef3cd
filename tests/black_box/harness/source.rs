//! A server to import from, that does what a test tells it to: a library would refuse to be as
//! wrong as some sources are.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One end of a connection, plain or TLS.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// How many came before it.
    pub(crate) index: usize,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

type Script = dyn Fn(&Asked, &mut dyn Stream) -> io::Result<()> + Send + Sync;

/// The server; each request gets a connection and a thread of its own.
pub(crate) struct Source {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Source {
    /// A source that lets `script` answer each request; the connection is closed after it.
    pub(crate) fn start<F>(script: F) -> Source
    where
        F: Fn(&Asked, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    {
        Source::listen(Arc::new(script), None)
    }

    /// The same over TLS.
    pub(crate) fn start_tls<F>(config: ServerConfig, script: F) -> Source
    where
        F: Fn(&Asked, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    {
        Source::listen(Arc::new(script), Some(Arc::new(config)))
    }

    /// A source with one answer for everybody.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Source {
        let answer = answer.into();
        Source::start(move |_, stream| stream.write_all(&answer))
    }

    /// A source with one file for everybody: a 200 with these headers, each closed by a line
    /// break.
    pub(crate) fn with_file(headers: &str, body: &[u8]) -> Source {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        Source::answering([head.as_bytes(), body].concat())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn listen(script: Arc<Script>, tls: Option<Arc<ServerConfig>>) -> Source {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (script, asked, tls) =
                        (Arc::clone(&script), Arc::clone(&asked), tls.clone());
                    // Ends when the daemon does, at the latest: then its writes fail.
                    thread::spawn(move || serve(stream, tls, &asked, &*script));
                }
            }
        });
        Source { address, asked, is_over, listener: Some(thread) }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _wake = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ended = listener.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    asked: &Mutex<Vec<Asked>>,
    script: &Script,
) {
    // How it ends is for the other side to judge.
    let _ended = match tls {
        None => answer(&mut { stream }, asked, script),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            answer(&mut stream, asked, script).and_then(|()| {
                stream.conn.send_close_notify();
                stream.flush()
            })
        }
    };
}

fn answer(stream: &mut dyn Stream, asked: &Mutex<Vec<Asked>>, script: &Script) -> io::Result<()> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(&mut *stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let target = lines[0].split(' ').nth(1).unwrap().to_owned();
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()));
    let request = {
        let mut asked = asked.lock().unwrap();
        let request = Asked { index: asked.len(), target, headers: headers.collect() };
        asked.push(request.clone());
        request
    };
    script(&request, stream)
}
