// The parameters of POSTGRES_URL that users copy from libpq, the JDBC driver and other clients: which ones are read, and why others are
// refused. docs/compatibility.md shows the same table. No I/O.

/** Parameters that `readPostgresUrl` reads. */
export const HONOURED = [
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "sslmode",
  "ssl",
  "target_session_attrs",
  "targetServerType",
  "currentSchema",
  "schema",
  "options",
  "connect_timeout",
  "connectTimeout",
  "application_name",
  "ApplicationName",
] as const;

/** Parameters that may only have the values by which Tidemark works anyway. */
export const FIXED: Readonly<Record<string, readonly string[]>> = {
  client_encoding: ["UTF8", "utf8", "UTF-8", "utf-8", "auto"],
  charSet: ["UTF8", "UTF-8"],
  sslsni: ["1"],
  sslnegotiation: ["postgres"],
  sslcompression: ["0"],
  ssl_min_protocol_version: ["TLSv1.2"],
  gssencmode: ["disable", "prefer"],
  gssEncMode: ["disable", "allow", "prefer"],
  channel_binding: ["disable", "prefer"],
  channelBinding: ["disable", "prefer"],
  keepalives: ["1"],
  tcpKeepAlive: ["true"],
  tcpNoDelay: ["true"],
  load_balance_hosts: ["disable"],
  loadBalanceHosts: ["false"],
  replication: ["false", "off", "no", "0"],
  readOnly: ["false"],
  autosave: ["never"],
  prepareThreshold: ["0"],
  preparedStatementCacheQueries: ["0"],
  preferQueryMode: ["extended"],
  pgbouncer: ["true"],
  stringtype: ["unspecified"],
};

const TLS = "Tidemark reads certificates from settings";
/** Parameters by which other clients are tuned. */
const OF_DRIVERS =
  "sslpasswordcallback authenticationPluginClassName assumeMinServerVersion pool_timeout adaptiveFetch " +
  "adaptiveFetchMaximum adaptiveFetchMinimum allowEncodingChanges binaryTransfer binaryTransferDisable binaryTransferEnable " +
  "cleanupSavepoints databaseMetadataCacheFields databaseMetadataCacheFieldsMiB defaultRowFetchSize disableColumnSanitiser " +
  "escapeSyntaxCallMode groupStartupParameters hideUnprivilegedObjects localSocketAddress logServerErrorDetail " +
  "logUnclosedConnections loggerFile loggerLevel maxResultBuffer maxSendBufferSize preparedStatementCacheSizeMiB " +
  "quoteReturningIdentifiers readOnlyMode receiveBufferSize reWriteBatchedInserts sendBufferSize unknownLength " +
  "xmlFactoryFactory compatible service_name";
const OF_KERBEROS =
  "krbsrvname kerberosServerName gsslib gsslibs gssdelegation gssUseDefaultCreds gssResponseTimeout " +
  "jaasApplicationName jaasLogin useSpnego sspiServiceClass";
const OF_OAUTH = "oauth_issuer oauth_client_id oauth_client_secret oauth_scope";
const OF_DEADLINES = "tcp_user_timeout socketTimeout statement_timeout cancelSignalTimeout queryTimeout";
const all = (names: string, why: string) => Object.fromEntries(names.split(" ").map((name) => [name, why]));

/** Why a known parameter is refused, and what to do instead. */
export const REFUSED: Readonly<Record<string, string>> = {
  sslrootcert: `${TLS}: set POSTGRES_TLS_CA_FILE to this path (for sslrootcert=system only POSTGRES_TLS=verify)`,
  sslcert: `${TLS}: set POSTGRES_TLS_CERT_FILE to this path`,
  sslkey: `${TLS}: set POSTGRES_TLS_KEY_FILE to this path, as PEM without a passphrase`,
  sslpassword:
    "the key of the client certificate must have no passphrase: write it without one to POSTGRES_TLS_KEY_FILE",
  sslfactory: `${TLS}: set POSTGRES_TLS and POSTGRES_TLS_CA_FILE`,
  sslfactoryarg: `${TLS}: set POSTGRES_TLS_CA_FILE`,
  sslhostnameverifier: "set POSTGRES_TLS=verify-ca to leave the name unchecked",
  ...all("sslcrl sslcrldir", "lists of revoked certificates are not read; remove it"),
  sslcertmode: "a client certificate is sent where POSTGRES_TLS_CERT_FILE is set; remove it",
  sslkeylogfile: "TLS keys are never written to a file; remove it",
  sslResponseTimeout: "connect_timeout covers it; remove it",
  ssl_max_protocol_version: "the newest protocol of both sides is used; remove it",
  ...all("min_protocol_version max_protocol_version protocolVersion", "the protocol is 3.0; remove it"),
  hostaddr: "write the address as the host; with TLS see POSTGRES_TLS=verify-ca",
  ...all("service servicefile", "write the host, user and database into the URL"),
  passfile: "set POSTGRES_PASSWORD_FILE to a file that holds only the password",
  ...all("require_auth requireAuth", "the server decides how to log in (pg_hba.conf); remove it"),
  requirepeer: "the socket's owner is not checked; remove it",
  ...all(OF_KERBEROS, "Kerberos and SSPI are not supported; use a password or a client certificate, and remove it"),
  ...all(OF_OAUTH, "OAuth is not supported; use a password, and remove it"),
  ...all("scram_client_key scram_server_key", "set POSTGRES_PASSWORD"),
  fallback_application_name: "use application_name",
  ...all(
    "keepalives_idle keepalives_interval keepalives_count",
    "keep-alive is on with the times of this machine; remove it",
  ),
  ...all(OF_DEADLINES, "statements have deadlines of their own (COMMIT_TIMEOUT); remove it"),
  loginTimeout: "use connect_timeout",
  hostRecheckSeconds: "hosts are tried in the order in which they are written; remove it",
  ...all("connection_limit max", "set POSTGRES_CONNECTIONS"),
  TimeZone: "sessions run in UTC; remove it",
  socketFactory:
    "a socket factory is Java code: connect through the proxy of your provider instead (such as Cloud SQL Auth Proxy)",
  socketFactoryArg: "a socket factory is Java code: connect through the proxy of your provider instead",
  cloudSqlInstance: "connect through Cloud SQL Auth Proxy, whose address is the host",
  unixSocketPath: "write the folder of the socket as the host: host=/path",
  ...all(OF_DRIVERS, "it tunes another client; remove it"),
};
