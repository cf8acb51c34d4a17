//! The floor under every server of this kind: hyper that moves bytes between sockets and files, and does nothing else.
//!
//! No digest, no signature, no index, no sync. It answers just what `partway bench` asks for: what a server with all of that
//! uses beyond this is the price of being one. Called with a port and a folder.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::net::TcpListener;

/// Room for what is received at once. Bytes.
const RECEIVE_SIZE: usize = 4 << 20;
/// As much of a file is read at once. Bytes.
const READ_SIZE: u64 = 256 << 10;

const UPLOAD: &str = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(folder)) = (arguments.next().and_then(|port| port.parse::<u16>().ok()), arguments.next()) else {
        return Err(io::Error::other("usage: floor PORT FOLDER"));
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let folder: &'static Path = Box::leak(PathBuf::from(folder).into_boxed_path());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(folder, request));
            // A client that hangs up is nothing to tell.
            let _ = http1::Builder::new().max_buf_size(RECEIVE_SIZE).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(folder: &Path, request: Request<Incoming>) -> io::Result<Response<Content>> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let Some((_, key)) = path.trim_start_matches('/').split_once('/') else { return plain("") };
    let file = folder.join(key.replace('/', "%"));
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    match (request.method().clone(), parameter("partNumber")) {
        (Method::PUT, None) => put(&file, request.into_body()).await,
        (Method::PUT, Some(number)) => put(&part(&file, number), request.into_body()).await,
        (Method::GET, _) => get(&file, &request),
        (Method::POST, _) => plain(UPLOAD),
        (Method::DELETE, _) if parameter("uploadId").is_some() => {
            // Parts come in order.
            let parts = (1..).map(|number: u32| part(&file, &number.to_string()));
            parts.take_while(|part| fs::remove_file(part).is_ok()).for_each(drop);
            plain("")
        }
        (Method::DELETE, _) => {
            fs::remove_file(&file)?;
            plain("")
        }
        _ => Ok(status(StatusCode::NOT_IMPLEMENTED)),
    }
}

fn part(file: &Path, number: &str) -> PathBuf {
    file.with_extension(format!("part{number}"))
}

/// The file is written by the thread that receives: no byte changes threads.
async fn put(path: &Path, mut body: Incoming) -> io::Result<Response<Content>> {
    let mut file = File::create(path)?;
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(io::Error::other)?.into_data();
        file.write_all(&data.map_err(|_| io::Error::other("trailers"))?)?;
    }
    plain("")
}

fn get(path: &Path, request: &Request<Incoming>) -> io::Result<Response<Content>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let range = range.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    let Some((first, last)) = range else { return Ok(Response::new(Content::File { file, position: 0, end: size })) };
    let mut partial = Response::new(Content::File { file, position: first, end: size.min(last.saturating_add(1)) });
    *partial.status_mut() = StatusCode::PARTIAL_CONTENT;
    Ok(partial)
}

fn plain(text: &'static str) -> io::Result<Response<Content>> {
    Ok(Response::new(Content::Text(Bytes::from_static(text.as_bytes()))))
}

fn status(status: StatusCode) -> Response<Content> {
    let mut response = Response::new(Content::Text(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// What is sent.
enum Content {
    Text(Bytes),
    File { file: File, position: u64, end: u64 },
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut *self {
            Self::Text(text) => Ok(std::mem::take(text)),
            Self::File { file, position, end } => read(file, position, *end),
        };
        Poll::Ready(match piece {
            Ok(piece) if piece.is_empty() => None,
            piece => Some(piece.map(Frame::data)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.len() as u64,
            Self::File { position, end, .. } => end.saturating_sub(*position),
        })
    }
}

fn read(file: &File, position: &mut u64, end: u64) -> io::Result<Bytes> {
    let size = usize::try_from(end.saturating_sub(*position).min(READ_SIZE)).unwrap_or(0);
    let mut piece = vec![0; size];
    file.read_exact_at(&mut piece, *position)?;
    *position += size as u64;
    Ok(piece.into())
}
