// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.offmeter.ChatRequest;
import dev.offmeter.testing.ProtocolReplies;
import java.lang.management.ManagementFactory;
import okhttp3.ResponseBody;
import okio.Buffer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A piece of an answer allocates little: no buffer of 8 KiB. */
class DeltaAllocationTest {
  private static final int PIECES = 2000;
  private static final int MOST_FOR_EVENT = 6000;

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aPieceTakesNoBufferOfItsOwn(ProtocolReplies spoken) throws Exception {
    // Anthropic's begins with an event of its own, as said here.
    int events = spoken == ProtocolReplies.ANTHROPIC ? 2 * PIECES : PIECES;
    String body = spoken.textDelta("word ").repeat(PIECES) + spoken.end(false);

    long bytes = allocatedFor(spoken, body);
    long once = allocatedFor(spoken, body);

    assertThat(Math.min(bytes, once) / events).isLessThan(MOST_FOR_EVENT);
  }

  private static long allocatedFor(ProtocolReplies spoken, String body) throws Exception {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    ChatRequest request = ChatRequest.builder().user("hi").maxTokens(9999).build();
    RecordingDeltaHandler partialAnswer = new RecordingDeltaHandler(request);
    ResponseBody reply = ResponseBody.create(new Buffer().writeUtf8(body), null, -1);
    long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
    try (ReplyReader reader = spoken.protocol().read(request, reply, partialAnswer)) {
      while (partialAnswer.streamEnd == null) {
        partialAnswer.streamEnd = reader.next();
      }
    }
    long after = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
    assertThat(partialAnswer.deltas).hasSize(PIECES);
    return after - before;
  }
}
