//! An SSH host of one's own: OpenSSH's server, which lets in the account that runs it, by certificate only.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{SampleError, free_port};

/// Where distributions put it.
const PROGRAMS: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
/// So often, and so many times, it is asked whether it answers.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 500;

/// Starts `sshd`, and stops it and its sessions at the end of the standard input, which is when our process ends, however it ends.
const SUPERVISOR: &str = "exec 3<&0; \"$1\" -D -e -f \"$2\" >>\"$3\" 2>&1 & pid=$!; trap '' INT TERM HUP; \
    (read -r _; kill -TERM $pid) <&3 & wait $pid";

/// A host that runs.
#[derive(Debug)]
pub struct SshHost {
    folder: PathBuf,
    port: u16,
    key: String,
    supervisor: Option<Child>,
}

impl SshHost {
    /// OpenSSH's server, if it is there.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        PROGRAMS.iter().map(PathBuf::from).find(|path| path.exists())
    }

    /// The account that runs it, which is the only one that can get in.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn account() -> Result<String, SampleError> {
        let said = Command::new("id").arg("-un").output().map_err(SampleError::io("ask who I am"))?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// Makes its keys in a folder that isn't there yet, and runs it on a free port of loopback. It trusts `users`, an authority for users
    /// in OpenSSH's format, and shows what `certify` makes of its public key, if anything. `settings` are more lines of its configuration.
    ///
    /// # Errors
    /// When the system or OpenSSH refuse.
    pub fn start(folder: &Path, users: &str, certify: impl FnOnce(&str) -> Option<String>, settings: &str) -> Result<Self, SampleError> {
        let program = Self::program().ok_or_else(|| SampleError::Failed {
            program: "sshd",
            said: "it is not there: on Debian, apt-get install openssh-server".into(),
        })?;
        let made = std::fs::DirBuilder::new().mode(0o700).create(folder);
        made.map_err(SampleError::io(format!("make {}", folder.display())))?;
        if Self::account()? == "root" {
            // Where it shuts itself in before somebody is known.
            std::fs::create_dir_all("/run/sshd").map_err(SampleError::io("make /run/sshd"))?;
        }
        let key_file = folder.join("host");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key_file).output();
        let made = made.map_err(SampleError::io("run ssh-keygen"))?;
        if !made.status.success() {
            return Err(SampleError::Failed { program: "ssh-keygen", said: String::from_utf8_lossy(&made.stderr).into_owned() });
        }
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).map_err(SampleError::io(format!("write {name}")));
        let key = std::fs::read_to_string(folder.join("host.pub")).map_err(SampleError::io("read the host's key"))?.trim().to_owned();
        write("users.pub", &format!("{users}\n"))?;
        let certificate = match certify(&key) {
            Some(certificate) => {
                write("host-cert.pub", &format!("{certificate}\n"))?;
                format!("HostCertificate \"{}\"\n", folder.join("host-cert.pub").display())
            }
            None => String::new(),
        };
        let port = free_port()?;
        let at = folder.display();
        let config = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey \"{at}/host\"\n{certificate}TrustedUserCAKeys \"{at}/users.pub\"\nAuthorizedKeysFile \"{at}/authorized_keys\"\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             PrintMotd no\nPrintLastLog no\nMaxStartups 200\nMaxSessions 1000\nAcceptEnv LANG LC_*\nX11Forwarding yes\nX11UseLocalhost yes\n\
             Subsystem sftp internal-sftp\n{settings}\n",
            port
        );
        write("sshd_config", &config)?;
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISOR, "sh"]).arg(program).arg(folder.join("sshd_config")).arg(folder.join("log"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let supervisor = command.spawn().map_err(SampleError::io("start sshd"))?;
        let host = Self { folder: folder.to_owned(), port, key, supervisor: Some(supervisor) };
        host.wait()?;
        Ok(host)
    }

    fn wait(&self) -> Result<(), SampleError> {
        for _ in 0..LOOKS {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(SampleError::Failed { program: "sshd", said: std::fs::read_to_string(self.folder.join("log")).unwrap_or_default() })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its public key, in OpenSSH's format.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Where its files are: `authorized_keys` is one of them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            if let Some(mut pipe) = supervisor.stdin.take() {
                drop(pipe.write_all(b"\n"));
            }
            drop(supervisor.wait());
        }
    }
}
