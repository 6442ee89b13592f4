// Makes a throw-away certificate authority and a server certificate for 127.0.0.1 with Java's keytool. Runs `keytool`.

const PASSWORD = "changeit";

/** The broker's TLS settings and the authority that clients trust. */
export interface TestAuthority {
  readonly caPem: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** Writes the key stores into `folder`. @throws Error with keytool's output if it fails */
export async function certificateAuthority(folder: string): Promise<TestAuthority> {
  const ca = `${folder}/ca.p12`, server = `${folder}/server.p12`;
  const keytool = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("keytool", {
      args: [...args, "-storepass", PASSWORD, "-noprompt"],
      stdout: "piped",
      stderr: "null",
    }).output();
    if (!success) throw new Error(`keytool ${args[0]} failed: ${new TextDecoder().decode(stdout)}`);
  };
  const pair = (store: string, alias: string, name: string) =>
    keytool(
      "-genkeypair",
      "-keystore",
      store,
      "-storetype",
      "PKCS12",
      "-alias",
      alias,
      "-keyalg",
      "EC",
      "-groupname",
      "secp256r1",
      "-validity",
      "2",
      "-dname",
      `CN=${name}`,
      ...(alias === "ca" ? ["-ext", "bc:c=ca:true"] : []),
    );
  await pair(ca, "ca", "Tidemark test authority");
  await pair(server, "server", "127.0.0.1");
  await keytool("-certreq", "-keystore", server, "-alias", "server", "-file", `${folder}/server.csr`);
  await keytool(
    "-gencert",
    "-keystore",
    ca,
    "-alias",
    "ca",
    "-infile",
    `${folder}/server.csr`,
    "-outfile",
    `${folder}/server.pem`,
    "-rfc",
    "-validity",
    "2",
    "-ext",
    "san=ip:127.0.0.1,dns:localhost",
  );
  await keytool("-exportcert", "-keystore", ca, "-alias", "ca", "-rfc", "-file", `${folder}/ca.pem`);
  await keytool("-importcert", "-keystore", server, "-alias", "ca", "-file", `${folder}/ca.pem`);
  await keytool("-importcert", "-keystore", server, "-alias", "server", "-file", `${folder}/server.pem`);
  return {
    caPem: await Deno.readTextFile(`${folder}/ca.pem`),
    properties: {
      "ssl.keystore.location": server,
      "ssl.keystore.password": PASSWORD,
      "ssl.key.password": PASSWORD,
      "ssl.keystore.type": "PKCS12",
    },
  };
}
