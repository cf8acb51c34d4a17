//! The body of a POST form: its fields, then its file as an operation's body.
//!
//! - What comes before the file is bounded in number and size. What comes after it is discarded, and bounded in size, too; but
//!   the form has to end: a client that hung up before saying so may have meant anything.
//! - multer takes whatever its source has ready, so the source hands over one frame per poll: the memory of a form is
//!   a frame or two, whatever the client's pace.

use super::{
    body::{Frames, Lent, Slot},
    completion::ByteCounter,
};
use crate::{
    model::{Checksum, Failure},
    ops,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use multer::{Field, Multipart};
use std::{
    future::poll_fn,
    ops::RangeInclusive,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// The largest number of fields before the file.
const FIELD_COUNT_MAX: usize = 100;
/// The largest size of everything before the file, part heads included. S3 allows 20 KB of fields and as much of a
/// policy ("POST Object"); a frame's worth of slack, as the file's first bytes arrive with the last field.
const FIELDS_SIZE_MAX: u64 = (20 + 20 + 64) << 10;

/// Why a form's fields could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FormError {
    /// The request is not `multipart/form-data` or names no boundary.
    NotMultipart,
    /// There is no file.
    NoFile,
    /// Too many or too large fields.
    FieldsTooLarge,
    /// The body.
    Body(Failure),
}

/// A form up to its file.
pub(super) struct Form {
    /// Names (as sent) and values of the fields before the file.
    pub(super) fields: Vec<(String, String)>,
    /// The name of the file on the client's side.
    pub(super) file_name: Option<String>,
    /// `None` once it has been read.
    file: Option<Field<'static>>,
    source: Arc<SourceState>,
    multipart: Multipart<'static>,
}

/// Reads a form's fields up to its file.
pub(super) async fn read_form<B>(content_type: Option<&str>, frames: Lent<B>) -> Result<Form, FormError>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
{
    let boundary = content_type.and_then(|value| multer::parse_boundary(value).ok()).ok_or(FormError::NotMultipart)?;
    let source = SourceState::new(frames);
    let mut multipart = Multipart::new(Source { state: Arc::clone(&source), rested: true }, boundary);
    let mut fields = Vec::new();
    loop {
        let next = multipart.next_field().await.map_err(|error| source.form_error(&error))?;
        let Some(field) = next else { return Err(FormError::NoFile) };
        let Some(name) = field.name().map(str::to_owned) else { return Err(FormError::Body(Failure::MalformedBody)) };
        if name.eq_ignore_ascii_case("file") {
            source.in_file.store(true, Ordering::Relaxed);
            let file_name = field.file_name().map(str::to_owned);
            return Ok(Form { fields, file_name, file: Some(field), source, multipart });
        }
        if fields.len() == FIELD_COUNT_MAX {
            return Err(FormError::FieldsTooLarge);
        }
        let value = field.bytes().await.map_err(|error| source.form_error(&error))?;
        let value = String::from_utf8(value.into()).map_err(|_| FormError::Body(Failure::MalformedBody))?;
        fields.push((name, value));
    }
}

/// A form of these pieces: its fields, the name of its file and the file's bytes. For fuzzing.
#[doc(hidden)]
pub async fn read_form_of_pieces(content_type: &str, pieces: Vec<Bytes>) -> Option<(Vec<(String, String)>, Option<String>, Vec<u8>)> {
    let frames = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Frame::data(piece)));
    let body = StreamBody::new(Box::pin(stream::iter(frames)));
    let lent = Slot::new(Frames::new(body, Duration::from_secs(60), ByteCounter::default())).lend()?;
    let form = read_form(Some(content_type), lent).await.ok()?;
    let (fields, file_name) = (form.fields.clone(), form.file_name.clone());
    let mut file = form.into_file(0..=u64::MAX);
    let mut bytes = Vec::new();
    while let Some(piece) = ops::Body::next(&mut file).await.ok()? {
        bytes.extend_from_slice(&piece);
    }
    Some((fields, file_name, bytes))
}

impl Form {
    /// The file, of which the policy allows these sizes in bytes.
    pub(super) fn into_file(self, sizes: RangeInclusive<u64>) -> FormFile {
        FormFile { form: self, sizes, size: 0 }
    }

    /// Reads what follows the file up to the form's end, and what follows that up to the request's.
    async fn end(&mut self) -> Result<(), Failure> {
        // multer goes on only when nobody can read the file any more.
        self.file = None;
        self.source.size.store(0, Ordering::Relaxed);
        self.source.in_file.store(false, Ordering::Relaxed);
        while self.multipart.next_field().await.map_err(|error| self.source.failure(&error))?.is_some() {}
        while let Some(bytes) = poll_fn(|cx| self.source.poll_next(cx)).await {
            bytes?;
        }
        Ok(())
    }
}

/// A form's file.
pub(super) struct FormFile {
    form: Form,
    sizes: RangeInclusive<u64>,
    size: u64,
}

#[async_trait]
impl ops::Body for FormFile {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(file) = &mut self.form.file else { return Ok(None) };
            match file.chunk().await.map_err(|error| self.form.source.failure(&error))? {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => {
                    self.size = self.size.saturating_add(bytes.len() as u64);
                    if self.size > *self.sizes.end() {
                        return Err(Failure::TooLarge { size: self.size, size_max: *self.sizes.end() });
                    }
                    return Ok(Some(bytes));
                }
                None if self.size < *self.sizes.start() => {
                    return Err(Failure::FormFileTooSmall { size: self.size, size_min: *self.sizes.start() });
                }
                None => self.form.end().await?,
            }
        }
    }

    fn trailer_checksum(&mut self) -> Option<Checksum> {
        None
    }
}

/// A form's bytes, and what those who use the form are told of them.
struct SourceState {
    /// Held while it is polled, never across an await.
    frames: Mutex<Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>>,
    in_file: AtomicBool,
    size: AtomicU64,
    /// Why the source ended; multer would only hand on its text. Held for a moment, never across an await.
    failure: Mutex<Option<FormError>>,
}

impl SourceState {
    fn new<B>(frames: Lent<B>) -> Arc<Self>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    {
        let frames = stream::unfold(frames, |mut frames| async move { Some((frames.next().await.transpose()?, frames)) });
        Arc::new(Self {
            // It may be asked again after its end.
            frames: Mutex::new(Box::pin(frames.fuse())),
            in_file: AtomicBool::new(false),
            size: AtomicU64::new(0),
            failure: Mutex::new(None),
        })
    }

    /// The next bytes. Those outside of the file are bounded.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FormError>>> {
        let polled = self.frames.lock().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx);
        polled.map(|next| match next? {
            Ok(bytes) => {
                let size = self.size.fetch_add(bytes.len() as u64, Ordering::Relaxed).saturating_add(bytes.len() as u64);
                let fits = self.in_file.load(Ordering::Relaxed) || size <= FIELDS_SIZE_MAX;
                Some(if fits { Ok(bytes) } else { Err(FormError::FieldsTooLarge) })
            }
            Err(failure) => Some(Err(FormError::Body(failure))),
        })
    }

    fn form_error(&self, error: &multer::Error) -> FormError {
        let reported = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        reported.unwrap_or_else(|| {
            tracing::debug!(%error, "form");
            FormError::Body(Failure::MalformedBody)
        })
    }

    fn failure(&self, error: &multer::Error) -> Failure {
        self.form_error(error).into()
    }
}

/// Past the fields it no longer matters what was wrong with a form.
impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Body(failure) => failure,
            FormError::NotMultipart | FormError::NoFile | FormError::FieldsTooLarge => Self::MalformedBody,
        }
    }
}

/// The form's bytes for multer: pending after every frame, so that it works on that frame before it gets another.
struct Source {
    state: Arc<SourceState>,
    rested: bool,
}

impl Stream for Source {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !std::mem::replace(&mut self.rested, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match std::task::ready!(self.state.poll_next(cx)) {
            None => Poll::Ready(None),
            Some(Ok(bytes)) => {
                self.rested = false;
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Err(error)) => {
                *self.state.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Poll::Ready(Some(Err(std::io::ErrorKind::Other.into())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Body as _;
    use futures_util::stream::BoxStream;

    const TYPE: Option<&str> = Some("multipart/form-data; boundary=XX");

    type Pieces = StreamBody<BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>>;

    fn lent(pieces: Vec<Result<Frame<Bytes>, std::io::Error>>) -> Lent<Pieces> {
        let body = StreamBody::new(stream::iter(pieces).boxed());
        Slot::new(Frames::new(body, Duration::from_secs(5), ByteCounter::default())).lend().expect("nobody else has it")
    }

    /// The form in frames of `size` bytes.
    async fn read(text: &str, size: usize) -> Result<Form, FormError> {
        let pieces: Vec<_> =
            text.as_bytes().chunks(size).map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        read_form(TYPE, lent(pieces)).await
    }

    fn form(fields: &[(&str, &str)], file: &str) -> String {
        let part = |(name, value): &(&str, &str)| format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let fields: String = fields.iter().map(part).collect();
        format!(
            "{fields}--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n{file}\r\n--XX--\r\n"
        )
    }

    async fn drain(mut file: FormFile) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(piece) = file.next().await? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn fields_come_first_and_the_file_streams_at_any_frame_size() {
        let text = form(&[("key", "k"), ("Policy", "p\r\np")], "some \r\n--X bytes");
        for size in [1, 3, 17, 10_000] {
            let form = read(&text, size).await.map_err(|error| format!("{error:?}")).unwrap();
            assert_eq!(form.fields, [("key".to_owned(), "k".to_owned()), ("Policy".to_owned(), "p\r\np".to_owned())]);
            assert_eq!(form.file_name.as_deref(), Some("a.txt"));
            assert_eq!(drain(form.into_file(0..=100)).await, Ok(b"some \r\n--X bytes".to_vec()), "frames of {size}");
        }
    }

    #[tokio::test]
    async fn the_file_must_be_of_a_size_the_policy_allows() {
        let text = form(&[], "12345");
        let file = async |sizes| drain(read(&text, 7).await.unwrap_or_else(|error| panic!("{error:?}")).into_file(sizes)).await;
        assert_eq!(file(5..=5).await, Ok(b"12345".to_vec()));
        assert_eq!(file(6..=10).await, Err(Failure::FormFileTooSmall { size: 5, size_min: 6 }));
        assert!(matches!(file(0..=4).await, Err(Failure::TooLarge { size_max: 4, .. })));
    }

    #[tokio::test]
    async fn what_precedes_the_file_is_bounded() {
        let many = form(&vec![("a", "b"); FIELD_COUNT_MAX + 1], "x");
        assert_eq!(read(&many, 4096).await.err(), Some(FormError::FieldsTooLarge));
        let large = form(&[("a", &"b".repeat(200_000))], "x");
        assert_eq!(read(&large, 4096).await.err(), Some(FormError::FieldsTooLarge));
        let endless_head = format!("--XX\r\nContent-Disposition: form-data; name=\"{}", "n".repeat(200_000));
        assert_eq!(read(&endless_head, 4096).await.err(), Some(FormError::FieldsTooLarge));
    }

    #[tokio::test]
    async fn a_broken_form_is_told_from_one_without_a_file() {
        assert_eq!(read("--XX--\r\n", 10).await.err(), Some(FormError::NoFile));
        assert_eq!(
            read("--XX\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk", 10).await.err(),
            Some(FormError::Body(Failure::MalformedBody))
        );
        let whole = form(&[], "12345");
        for missing in ["\r\n--XX--\r\n", "--XX--\r\n", "X--\r\n", "--\r\n", "-\r\n"] {
            let truncated = whole.strip_suffix(missing).unwrap();
            let form = read(truncated, 10).await.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(drain(form.into_file(0..=100)).await, Err(Failure::MalformedBody), "without {missing:?}");
        }
    }

    #[tokio::test]
    async fn what_follows_the_file_is_discarded_within_bounds() {
        let followed = |rest: String| form(&[], "12345").replace("\r\n--XX--\r\n", &format!("\r\n{rest}--XX--\r\nepilogue"));
        let part = |value: &str| format!("--XX\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\n{value}\r\n");
        for (rest, expected) in [
            (part("Upload").repeat(3), Ok(b"12345".to_vec())),
            (part(&"x".repeat(200_000)), Err(Failure::MalformedBody)),
            (part("x").repeat(5_000), Err(Failure::MalformedBody)),
        ] {
            let form = read(&followed(rest), 4096).await.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(drain(form.into_file(0..=100)).await, expected);
        }
    }

    #[tokio::test]
    async fn other_content_types_are_no_forms() {
        for content_type in [None, Some("text/plain"), Some("multipart/form-data")] {
            assert_eq!(read_form(content_type, lent(Vec::new())).await.err(), Some(FormError::NotMultipart));
        }
    }
}
