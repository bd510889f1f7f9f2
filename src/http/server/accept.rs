//! Taking connections in, and the end.
#![forbid(unsafe_code)]

use super::connection::{self, Connection};
use super::connections::Connections;
use crate::http::endpoint::Endpoint;
use crate::http::measures::Closed;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::sleep;

/// After an error that another attempt would only meet again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is told to stop, and until when; returns whether all responses were finished.
pub(super) fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    endpoint: &Endpoint,
    stop: oneshot::Receiver<Instant>,
) -> bool {
    let connections = Rc::new(Connections::default());
    LocalSet::new().block_on(runtime, async {
        // A server that was leaked is told nothing.
        let deadline = match either(accept(listener, endpoint, &connections), stop).await {
            Either::Right(Ok(deadline)) => deadline,
            Either::Right(Err(_)) => Instant::now(),
            Either::Left(never) => match never {},
        };
        connections.wind_up();
        let finish = async {
            while connections.len() != 0 {
                connections.changed.notified().await;
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        matches!(either(finish, sleep(left)).await, Either::Left(()))
    })
}

enum Never {}

async fn accept(
    listener: TcpListener,
    endpoint: &Endpoint,
    connections: &Rc<Connections>,
) -> Never {
    let measures = endpoint.measures();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                measures.accepted();
                if connections.len() >= endpoint.max_connections() && connections.displace() {
                    measures.closed(Closed::Displaced);
                }
                begin(stream, endpoint, connections);
                // However many wait to be accepted, those that are there get on.
                yield_now().await;
            }
            Err(error) if is_of_connection(&error) => {}
            Err(_) => {
                // There are too many open files, in this process or in the system: of those, one
                // can be given up. The application is better off without a line in its log for each.
                measures.accept_failed();
                if connections.displace() {
                    measures.closed(Closed::Displaced);
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn begin(stream: TcpStream, endpoint: &Endpoint, connections: &Rc<Connections>) {
    // Responses are written in one go. Without it they come all the same.
    let _ = stream.set_nodelay(true);
    let connection = Rc::new(Connection::new());
    let task = connection::serve(stream, connection.clone(), connections.clone(), endpoint.clone());
    connections.add(connection, spawn_local(task).abort_handle());
}

/// Whether it was the connection that failed, before it was accepted.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

enum Either<L, R> {
    Left(L),
    Right(R),
}

/// Whichever comes first; the right one, if both are there.
async fn either<L: Future, R: Future>(left: L, right: R) -> Either<L::Output, R::Output> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|context| match right.as_mut().poll(context) {
        Poll::Ready(right) => Poll::Ready(Either::Right(right)),
        Poll::Pending => left.as_mut().poll(context).map(Either::Left),
    })
    .await
}
