// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatRequest;
import dev.offmeter.Dialect;
import dev.offmeter.testing.ProtocolReplies;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import okhttp3.Request;
import okhttp3.RequestBody;
import okio.Buffer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The text of a prompt of many megabytes is made only while somebody wants it. */
class LongPromptTest {
  private static final String LONG = "äö\"\n".repeat(1 << 20);

  private static Request asked(ProtocolReplies spoken, ChatRequest request) {
    return spoken
        .protocolFor("http://localhost:1", "m", Dialect.GENERIC, Map.of())
        .request(request)
        .build();
  }

  private static void assertEndsSoon(Request request) {
    AtomicInteger asked = new AtomicInteger();
    BooleanSupplier unwanted = () -> asked.incrementAndGet() == 3;

    assertThatThrownBy(() -> Protocol.prepareBody(request, unwanted))
        .isInstanceOf(InterruptedIOException.class);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aLongMessageIsGivenUpInTheMiddle(ProtocolReplies spoken) {
    assertEndsSoon(asked(spoken, ChatRequest.builder().user(LONG).build()));
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aLongSchemaIsGivenUpInTheMiddle(ProtocolReplies spoken) {
    String schema = "{\"type\":\"object\",\"description\":\"" + "ä".repeat(1 << 20) + "\"}";

    assertEndsSoon(
        asked(spoken, ChatRequest.builder().user("x").tool("f", "does it", schema).build()));
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void whatIsMadeBeforehandIsWhatIsSent(ProtocolReplies spoken) throws IOException {
    ChatRequest request = ChatRequest.builder().user("One?").build();
    Request made = asked(spoken, request);
    Protocol.prepareBody(made, () -> false);

    assertThat(bytes(made.body())).isEqualTo(bytes(asked(spoken, request).body()));
    assertThatThrownBy(() -> bytes(made.body()))
        .hasMessage("a request is sent once; an interceptor asked for it again");
  }

  private static String bytes(RequestBody body) throws IOException {
    Buffer sent = new Buffer();
    long length = body.contentLength();
    body.writeTo(sent);
    assertThat(sent.size()).isEqualTo(length);
    return sent.readUtf8();
  }
}
