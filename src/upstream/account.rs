//! The account by which the replica reads and writes AD.

use zeroize::Zeroizing;

use super::{Connection, ServerAddress, Timeouts, UpstreamError, UpstreamTls};

/// Name and password of the service account. The password is wiped when dropped and never shown.
#[derive(Clone)]
pub struct ServiceAccount {
    name: String,
    password: Zeroizing<Vec<u8>>,
}

impl ServiceAccount {
    /// `name` in any form AD takes: a DN, `svc@corp.example.com`, `CORP\svc`.
    pub fn new(name: impl Into<String>, password: Zeroizing<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            password,
        }
    }

    /// The name it binds with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects to a server and binds.
    ///
    /// # Errors
    /// As [`Connection::connect`]; [`UpstreamError::AccountRefused`] with AD's reason.
    pub async fn connect(
        &self,
        server: &ServerAddress,
        tls: &UpstreamTls,
        timeouts: Timeouts,
    ) -> Result<Connection, UpstreamError> {
        let mut connection = Connection::connect(server, tls, timeouts).await?;
        self.bind(&mut connection).await?;
        Ok(connection)
    }

    /// Binds on a connection.
    ///
    /// # Errors
    /// [`UpstreamError::AccountRefused`] with AD's reason; else as [`Connection::simple_bind`].
    pub async fn bind(&self, connection: &mut Connection) -> Result<(), UpstreamError> {
        let outcome = connection.simple_bind(&self.name, &self.password).await?;
        if outcome.is_success() {
            return Ok(());
        }
        Err(UpstreamError::AccountRefused {
            server: connection.server().clone(),
            account: self.name.clone(),
            reason: outcome.reason(),
        })
    }
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServiceAccount")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
