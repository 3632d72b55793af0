//! A directory of a test's own: `OpenLDAP` with two people, in a temporary folder.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Where Debian puts it.
const PROGRAM: &str = "/usr/sbin/slapd";

pub(crate) const SERVICE: &str = "cn=service,dc=example,dc=com";
pub(crate) const SERVICE_PASSWORD: &str = "service password";

const PEOPLE: &str = "\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=eve,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: eve
cn: Eve Example
givenName: Eve
sn: Example
mail: eve@example.com
seeAlso: cn=staff,ou=groups,dc=example,dc=com
userPassword: directory password

dn: uid=max,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: max
uid: twin
cn: Max
sn: One
userPassword: directory password

dn: uid=moritz,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: moritz
uid: twin
cn: Moritz
sn: Two
userPassword: directory password

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=admins,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: admins
member: uid=eve,ou=people,dc=example,dc=com

dn: cn=staff,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: staff
member: uid=moritz,ou=people,dc=example,dc=com
";

pub(crate) struct Slapd {
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    process: Child,
}

impl Slapd {
    /// `None`: there is none on this machine. With TLS, `ca.pem` in its folder is what to believe.
    pub(crate) async fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("left out: no {PROGRAM}");
            return None;
        }
        let folder =
            tempfile::Builder::new().prefix("turnpike-slapd-").tempdir().expect("a folder");
        prepare(folder.path());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let process = run(folder.path(), port);
        let slapd = Self { port, folder, process };
        slapd.answers().await;
        Some(slapd)
    }

    async fn answers(&self) {
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("slapd does not answer");
    }

    /// As a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }

    pub(crate) async fn restart(&mut self) {
        self.process = run(self.folder.path(), self.port);
        self.answers().await;
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// More groups than anybody is looked up in; Moritz is in all of them.
fn crowd() -> String {
    let group = |number| {
        format!(
            "\ndn: cn=g{number},ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\n\
             cn: g{number}\nmember: uid=moritz,ou=people,dc=example,dc=com\n"
        )
    };
    (0..1001).map(group).collect()
}

fn prepare(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("written");
    write("ca.pem", &made.cert.pem());
    write("key.pem", &made.signing_key.serialize_pem());
    write("people.ldif", &format!("{PEOPLE}{}", crowd()));
    std::fs::create_dir(folder.join("data")).expect("a folder");
    let at = folder.display();
    write(
        "slapd.conf",
        &format!(
            "include /etc/ldap/schema/core.schema\n\
             include /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\n\
             pidfile {at}/slapd.pid\n\
             modulepath /usr/lib/ldap\n\
             moduleload back_mdb\n\
             TLSCertificateFile {at}/ca.pem\n\
             TLSCertificateKeyFile {at}/key.pem\n\
             database mdb\n\
             directory {at}/data\n\
             suffix dc=example,dc=com\n\
             rootdn {SERVICE}\n\
             rootpw \"{SERVICE_PASSWORD}\"\n\
             access to * by anonymous auth by self read\n"
        ),
    );
    let added = Command::new("/usr/sbin/slapadd")
        .arg("-f")
        .arg(folder.join("slapd.conf"))
        .arg("-l")
        .arg(folder.join("people.ldif"))
        .output()
        .expect("slapadd");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

fn run(folder: &Path, port: u16) -> Child {
    Command::new(PROGRAM)
        .arg("-h")
        .arg(format!("ldap://127.0.0.1:{port}"))
        .arg("-f")
        .arg(folder.join("slapd.conf"))
        .args(["-d", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("slapd")
}
