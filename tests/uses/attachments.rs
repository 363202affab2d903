//! A file that goes up to a store and down again over connections that break off, on tokio:
//! the sealed bytes wait in a file until they are up, and a download goes on where it was.

use std::error::Error;
use std::io;

use subrosa::attachment::{self, HEAD_LEN, Opener, Pointer, Sealer};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How much a connection carries before it breaks off.
const BREAKS_AFTER: u64 = 500_000;

/// A store of files: it has the bytes that came, and gives those from a place on.
#[derive(Default)]
struct FileStore(Vec<u8>);

impl FileStore {
    /// What is there so far, and more of it, over one connection.
    async fn put(&mut self, from: &[u8]) -> Result<()> {
        let (mut up, mut down) = duplex(10_000);
        let rest = &from[self.0.len()..];
        let send = async {
            let length = rest.len().min(BREAKS_AFTER as usize);
            let sent = up.write_all(&rest[..length]).await;
            drop(up);
            sent
        };
        let (sent, _) = tokio::join!(send, down.read_to_end(&mut self.0));
        Ok(sent?)
    }

    /// The bytes from a place on, until the connection breaks off.
    async fn get(&self, from: u64, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let rest = &self.0[from as usize..];
        to.write_all(&rest[..rest.len().min(BREAKS_AFTER as usize)]).await
    }
}

/// What the downloading app has on its disk.
#[derive(Default)]
struct Disk {
    file: Vec<u8>,
    progress: Option<Vec<u8>>,
}

/// Seals a file into another one, which can be sent as often as it takes.
async fn seal(mut file: &[u8], sealed: &mut Vec<u8>) -> Result<Pointer> {
    let mut sealer = Sealer::new(file.len() as u64, "video/mp4", &mut rand::rng())?;
    while let Some(mut chunk) = sealer.next_chunk() {
        file.read_exact(chunk.plain()).await?;
        sealed.write_all(chunk.seal()).await?;
    }
    Ok(sealer.finish()?.at("file 1"))
}

/// Goes on with a download; an error if the connection breaks off.
async fn download(store: &FileStore, pointer: &Pointer, disk: &mut Disk) -> Result<()> {
    let begin = match &disk.progress {
        None => 0,
        Some(progress) => Opener::resume(pointer, progress)?.sealed_position(),
    };
    let (mut up, mut down) = duplex(10_000);
    let serve = async {
        let served = store.get(begin, &mut up).await;
        drop(up);
        served
    };
    let read = async {
        let mut opener = match &disk.progress {
            None => {
                let mut head = [0; HEAD_LEN];
                down.read_exact(&mut head).await?;
                Opener::new(pointer, &head)?
            }
            Some(progress) => Opener::resume(pointer, progress)?,
        };
        // What was written behind the last progress is not known to be whole.
        disk.file.truncate(opener.position() as usize);
        while let Some(mut chunk) = opener.next_chunk() {
            down.read_exact(chunk.sealed()).await?;
            disk.file.write_all(chunk.open()?).await?;
            disk.progress = opener.progress().or(disk.progress.take());
        }
        assert!(opener.is_checked());
        Ok(())
    };
    let (_, read) = tokio::join!(serve, read);
    read
}

#[tokio::test]
async fn a_file_goes_up_and_down_over_connections_that_break_off() -> Result<()> {
    let video: Vec<u8> = (0..3_000_000_u32).map(|place| (place / 7) as u8).collect();
    let mut sealed = Vec::new();
    let pointer = seal(&video, &mut sealed).await?;

    let mut store = FileStore::default();
    let mut connections = 0;
    while store.0.len() < sealed.len() {
        store.put(&sealed).await?;
        connections += 1;
    }
    assert!(connections > 5);

    let (mut disk, mut broken_off) = (Disk::default(), 0);
    while download(&store, &pointer, &mut disk).await.is_err() {
        disk.file.extend_from_slice(b"what a crash leaves");
        broken_off += 1;
    }
    assert!(broken_off > 5);
    assert!(disk.file == video);

    // The store keeps the pointer's digest as a name, and can check itself by it.
    assert_eq!(sealed, store.0);
    let mut whole = attachment::open(&pointer, io::Cursor::new(&store.0))?;
    whole.check()?;
    Ok(())
}
