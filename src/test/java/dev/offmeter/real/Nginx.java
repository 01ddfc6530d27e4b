// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import okhttp3.tls.HeldCertificate;

/** A process of nginx on a free loopback port, in front of a server. */
final class Nginx implements AutoCloseable {
  private final int port = Processes.freePort();
  private final String scheme;
  private final Process process;

  /** The configuration: one process with all files in one folder needs no privileges. */
  private static final String CONFIGURATION =
      """
      daemon off;
      master_process off;
      pid nginx.pid;
      error_log error.log;
      events {}
      http {
        access_log off;
        client_body_temp_path body;
        proxy_temp_path proxy;
        fastcgi_temp_path fastcgi;
        uwsgi_temp_path uwsgi;
        scgi_temp_path scgi;
        server {
          listen 127.0.0.1:%d %s;
          location / {
            proxy_pass %s;
            proxy_http_version 1.1;
            %s
          }
        }
      }
      """;

  private static final String TLS =
      "ssl; ssl_certificate certificate.pem; ssl_certificate_key key.pem";

  private Nginx(Path parent, String upstream, String directives, Optional<HeldCertificate> tls) {
    Path program = Program.NGINX.required();
    scheme = tls.isPresent() ? "https" : "http";
    Path folder = parent.resolve("nginx-" + port);
    String text = CONFIGURATION.formatted(port, tls.isPresent() ? TLS : "", upstream, directives);
    write(folder.resolve("nginx.conf"), text);
    tls.ifPresent(
        held -> {
          write(folder.resolve("certificate.pem"), held.certificatePem());
          write(folder.resolve("key.pem"), held.privateKeyPkcs8Pem());
        });
    String log = folder.resolve("error.log").toString();
    process =
        Processes.start(
            List.of(program.toString(), "-p", folder + "/", "-c", "nginx.conf", "-e", log),
            folder.resolve("output.log"));
    await("an nginx that listens; its files are in " + folder)
        .atMost(Duration.ofSeconds(10))
        .until(() -> listens(folder));
  }

  private boolean listens(Path folder) {
    if (!process.isAlive()) {
      throw new AssertionError("nginx ended:\n" + Processes.tail(folder.resolve("output.log")));
    }
    try (Socket socket = new Socket("127.0.0.1", port)) {
      return socket.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * One that passes requests on to {@code upstream}.
   *
   * @param directives more lines for its location, each with its semicolon
   */
  static Nginx before(String upstream, Path folder, String directives) {
    return new Nginx(folder, upstream, directives, Optional.empty());
  }

  /** An nginx that passes requests on to {@code upstream}, and is asked over TLS. */
  static Nginx before(String upstream, Path folder, HeldCertificate certificate) {
    return new Nginx(folder, upstream, "", Optional.of(certificate));
  }

  private static void write(Path file, String text) {
    try {
      Files.createDirectories(file.getParent());
      Files.writeString(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns the server's base URL. */
  String url() {
    return scheme + "://127.0.0.1:" + port;
  }

  @Override
  public void close() {
    Processes.kill(process);
  }
}
