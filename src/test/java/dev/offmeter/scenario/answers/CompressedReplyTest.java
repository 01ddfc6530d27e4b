// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.answers;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A server may compress what it was asked not to. */
class CompressedReplyTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String ANSWER =
      "{\"message\":{\"content\":\"A whole\"},\"done\":false}\n"
          + "{\"message\":{\"content\":\" answer.\"},\"done\":true,\"done_reason\":\"stop\"}\n";

  private Node node;
  private LlmClient client;

  @BeforeEach
  void start() {
    node = loopback.node(OllamaReplies.hanging());
    client = client(ollama("node", node));
  }

  private LlmClient client(Endpoint.Builder endpoint) {
    return loopback.client(LlmClient.builder().endpoint(endpoint.build()).endpoint(template()));
  }

  /** A way to compress. */
  enum Coding {
    GZIP("gzip"),
    X_GZIP("X-GZip"),
    DEFLATE("deflate"),
    BARE_DEFLATE("deflate"),
    IDENTITY("identity"),
    SAID_BUT_NOT_DONE("gzip"),
    DEFLATE_SAID_BUT_NOT_DONE("deflate"),
    A_CHARSET("UTF-8"),
    NONE("none"),
    TWICE("gzip, gzip");

    private final String header;

    Coding(String header) {
      this.header = header;
    }

    byte[] of(String text) {
      byte[] plain = text.getBytes(StandardCharsets.UTF_8);
      return switch (this) {
        case GZIP, X_GZIP -> gzip(plain);
        case TWICE -> gzip(gzip(plain));
        case DEFLATE -> deflate(plain, false);
        case BARE_DEFLATE -> deflate(plain, true);
        default -> plain;
      };
    }

    private static byte[] gzip(byte[] plain) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (OutputStream out = new GZIPOutputStream(bytes)) {
        out.write(plain);
      } catch (IOException e) {
        throw new AssertionError(e);
      }
      return bytes.toByteArray();
    }

    private static byte[] deflate(byte[] plain, boolean bare) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (OutputStream out = new DeflaterOutputStream(bytes, new Deflater(9, bare))) {
        out.write(plain);
      } catch (IOException e) {
        throw new AssertionError(e);
      }
      return bytes.toByteArray();
    }
  }

  private static Node.Script replying(int status, String coding, byte[] body) {
    String head =
        "HTTP/1.1 "
            + status
            + " X\r\nContent-Encoding: "
            + coding
            + "\r\nContent-Length: "
            + body.length
            + "\r\n\r\n";
    return (connection, request) -> {
      connection.send(head);
      connection.send(body, 0, body.length);
    };
  }

  private Attempt failed() {
    ChatResponse response = client.chat("draft");
    assertThat(response.endpoint()).isEqualTo("template");
    return response.attempts().get(0);
  }

  @ParameterizedTest
  @EnumSource
  void anAnswerIsDecoded(Coding coding) {
    node.respondWith(replying(200, coding.header, coding.of(ANSWER)));

    ChatResponse response = client.chat("draft");

    assertThat(response.text()).isEqualTo("A whole answer.");
    assertThat(response.attempts()).hasSize(1);
  }

  @ParameterizedTest
  @EnumSource
  void anErrorIsDecoded(Coding coding) {
    node.respondWith(
        replying(429, coding.header, coding.of("{\"error\":{\"message\":\"slow down, please\"}}")));

    Attempt attempt = failed();
    assertThat(attempt.failure()).contains(FailureKind.RATE_LIMITED);
    assertThat(attempt.message()).isEqualTo("slow down, please");
  }

  @Test
  void whatIsCutIsNoAnswer() {
    byte[] whole = Coding.GZIP.of(ANSWER);
    for (int length = 0; length < whole.length - 8; length += 5) {
      byte[] cut = Arrays.copyOf(whole, length);
      node.respondWith(replying(200, "gzip", cut));
      LlmClient fresh = client(ollama("node", node));

      assertThat(fresh.chat("draft").endpoint()).isEqualTo("template");
    }
  }

  @Test
  void whatGrowsWithoutBoundIsTooLarge() {
    String bomb = "{\"message\":{\"content\":\"" + "x".repeat(3_000_000) + "\"},\"done\":true}";
    node.respondWith(replying(200, "gzip", Coding.GZIP.of(bomb)));
    client = client(ollama("node", node).maxLineBytes(100_000).maxAnswerBytes(200_000));

    assertThat(failed().failure()).contains(FailureKind.RESPONSE_TOO_LARGE);
  }

  @Test
  void anErrorWithoutBoundIsReadInPart() {
    node.respondWith(replying(500, "gzip", Coding.GZIP.of("x".repeat(30_000_000))));

    assertThat(failed().message()).hasSizeLessThan(400);
  }

  @ParameterizedTest
  @ValueSource(strings = {"br", "zstd", "gzip, br"})
  void anotherEncodingIsNamed(String coding) {
    node.respondWith(replying(200, coding, ANSWER.getBytes(StandardCharsets.UTF_8)));

    Attempt attempt = failed();
    assertThat(attempt.failure()).contains(FailureKind.UNEXPECTED_RESPONSE);
    assertThat(attempt.status()).hasValue(200);
    assertThat(attempt.message())
        .isEqualTo(
            "the body is compressed with '"
                + coding.replace("gzip, ", "")
                + "', though no compression was asked for");
  }

  /** The chunk sizes of such a reply would stand between its lines. */
  @ParameterizedTest
  @CsvSource({"chu, 200", "'gzip, chunked', 200", "deflate, 200", "'chunked, x', 503"})
  void anUnknownTransferCodingIsNotReadOver(String coding, int status) {
    node.respondWith(
        (connection, request) -> {
          connection.send("HTTP/1.1 " + status + " X\r\nTransfer-Encoding: " + coding + "\r\n\r\n");
          connection.send(Integer.toHexString(ANSWER.length()) + "\r\n" + ANSWER + "\r\n0\r\n\r\n");
          connection.close();
        });

    Attempt attempt = failed();
    assertThat(attempt.status()).hasValue(status);
    assertThat(attempt.message()).isEqualTo("the body is sent in an unknown transfer coding");
  }

  @ParameterizedTest
  @ValueSource(strings = {"Chunked", " chunked ", "CHUNKED"})
  void chunksAreKnownByAnyCase(String coding) {
    node.respondWith(
        (connection, request) -> {
          connection.send("HTTP/1.1 200 X\r\nTransfer-Encoding:" + coding + "\r\n\r\n");
          connection.send(Integer.toHexString(ANSWER.length()) + "\r\n" + ANSWER + "\r\n0\r\n\r\n");
        });

    assertThat(client.chat("draft").text()).isEqualTo("A whole answer.");
  }

  @ParameterizedTest
  @ValueSource(ints = {200, 400, 403, 429, 500, 503})
  void bytesThatAreNoTextStandInNoMessage(int status) {
    byte[] noText = Coding.GZIP.of("{\"error\":\"boom\"}");
    for (String coding : new String[] {"br", "identity"}) {
      node.respondWith(replying(status, coding, noText));
      LlmClient fresh = client(ollama("node", node));

      Attempt attempt = fresh.chat("draft").attempts().get(0);
      assertThat(attempt.message()).matches("[ -~]+");
    }
  }
}
