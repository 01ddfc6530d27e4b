// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

class EventWriterTest {
  @Test
  void aLateHeartbeatDoesNotWriteIntoTheNextRequestsResponse() throws Exception {
    ByteArrayOutputStream response = new ByteArrayOutputStream();
    EventWriter page = new EventWriter(response, new JsonMapper());
    try (page) {
      page.send(new BrowserEvent("text", Map.of("text", "Dear")));
    }

    page.comment();

    assertThat(response.toString(StandardCharsets.UTF_8))
        .isEqualTo("event:text\ndata:{\"text\":\"Dear\"}\n\n");
  }
}
