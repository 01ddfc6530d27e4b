// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.ProtocolReplies;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Text whose bytes are no UTF-8 is no answer, and nothing is put in its place. */
class Utf8ValidatorTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  /**
   * Latin-1, a byte out of place, half a character, long forms, a surrogate, beyond Unicode, none.
   */
  private static final List<String> BROKEN =
      List.of(
          "e4",
          "80",
          "e4bd",
          "f09f98",
          "c0af",
          "c1bf",
          "e08080",
          "f0808080",
          "eda080",
          "edb080",
          "eda0bdedb880",
          "f4908080",
          "f5808080",
          "f8888080",
          "fe",
          "ff",
          "e4bd78",
          "c3c3a9");

  private LlmClient client(ProtocolReplies spoken, byte[] body) {
    Node node =
        loopback.node(
            (connection, request) -> {
              connection.send(HEAD);
              for (int i = 0; i < body.length; i++) {
                connection.send(body, i, 1);
              }
              connection.close();
            });
    Endpoint.Builder first = spoken.endpoint("node", node.url());
    return loopback.client(LlmClient.builder().endpoint(first.build()).endpoint(template()));
  }

  private static byte[] with(String text, String hex) {
    String[] parts = text.split("@", 2);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.writeBytes(parts[0].getBytes(StandardCharsets.UTF_8));
    bytes.writeBytes(HexFormat.of().parseHex(hex));
    bytes.writeBytes(parts[1].getBytes(StandardCharsets.UTF_8));
    return bytes.toByteArray();
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void brokenTextIsNoAnswer(ProtocolReplies spoken) {
    for (String hex : BROKEN) {
      String stream = spoken.textDelta("Dear ") + spoken.textDelta("Z@e") + spoken.end(false);
      for (String text : List.of(stream, spoken.completeReply("Dear Z@e"))) {
        ChatResponse response = client(spoken, with(text, hex)).chat(REQUEST);

        assertThat(response.text()).as(hex).isEqualTo("TEMPLATE");
        assertThat(response.attempts().get(0).failure())
            .as(hex)
            .contains(FailureKind.UNEXPECTED_RESPONSE);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void inAStreamItEndsTheAttempt(ProtocolReplies spoken) {
    byte[] body =
        with(spoken.textDelta("Dear ") + spoken.textDelta("Z@e") + spoken.end(false), "c0af");
    for (StreamRecovery recovery : List.of(StreamRecovery.RESTART, StreamRecovery.HOLD)) {
      ChatRequest request = REQUEST.toBuilder().onBrokenStream(recovery).build();
      try (ChatStream stream = client(spoken, body).stream(request)) {
        assertThat(stream.response().text()).isEqualTo("TEMPLATE");
        assertThat(stream.response().attempts().get(0).failure())
            .contains(FailureKind.UNEXPECTED_RESPONSE);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void allOfUnicodeIsTakenHoweverItIsSplit(ProtocolReplies spoken) {
    String text = "\u007f\u0080\u07ff\u0800\ud7ff\ue000\ufffd\uffff\ud83d\ude00\udbff\udfffe\u0301";
    byte[] body = (spoken.stream("Dear ", text)).getBytes(StandardCharsets.UTF_8);

    assertThat(client(spoken, body).chat(REQUEST).text()).isEqualTo("Dear " + text);
    byte[] marked = with("@" + spoken.stream(text), "efbbbf");
    assertThat(client(spoken, marked).chat(REQUEST).text()).isEqualTo(text);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aTailOrACommentMayHoldAnything(ProtocolReplies spoken) {
    byte[] tail = with(spoken.stream("Dear Zoe") + "@\n", "e4ff");
    assertThat(client(spoken, tail).chat(REQUEST).text()).isEqualTo("Dear Zoe");

    byte[] comment = with(": p@ng\n\n" + spoken.stream("Dear Zoe"), "ff");
    assertThat(client(spoken, comment).chat(REQUEST).text()).isEqualTo("Dear Zoe");
  }

  @Test
  void itJudgesAsTheJdkDoes() {
    Random random = new Random(7);
    int[] likely = {0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1};
    int[] leads = {0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff, 0xe2, 0x82, 0xac, 0x30, 0xc3};
    for (int i = 0; i < 200_000; i++) {
      byte[] bytes = new byte[1 + random.nextInt(5)];
      for (int j = 0; j < bytes.length; j++) {
        int[] from = random.nextBoolean() ? likely : leads;
        bytes[j] = (byte) from[random.nextInt(from.length)];
      }

      assertThat(Utf8Validator.isValid(bytes, bytes.length))
          .as(HexFormat.of().formatHex(bytes))
          .isEqualTo(isUtf8(bytes));
    }
  }

  @Test
  void itFindsTheFirstByteThatCannotBeThereInALongText() {
    for (String broken : List.of("ff", "80", "e4bd", "c0af", "eda080")) {
      byte[] odd = HexFormat.of().parseHex(broken);
      for (int at = 0; at < 40; at++) {
        byte[] bytes = "x".repeat(60).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(odd, 0, bytes, at, odd.length);
        int first = at + (broken.equals("e4bd") ? 2 : broken.equals("eda080") ? 1 : 0);
        for (int split = 0; split <= bytes.length; split++) {
          Utf8Validator utf8 = new Utf8Validator();
          int found = utf8.read(bytes, 0, split);
          found = found < split ? found : utf8.read(bytes, split, bytes.length);
          assertThat(found).as("%s at %d, split at %d", broken, at, split).isEqualTo(first);
        }
      }
    }
  }

  private static boolean isUtf8(byte[] bytes) {
    try {
      StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
      return true;
    } catch (CharacterCodingException e) {
      return false;
    }
  }
}
