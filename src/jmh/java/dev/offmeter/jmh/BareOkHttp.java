// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.EOFException;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import okhttp3.ConnectionPool;
import okhttp3.HttpUrl;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okio.BufferedSource;

/** What an application would write for one endpoint that never fails. */
final class BareOkHttp implements Client {
  private static final MediaType JSON = MediaType.get("application/json");

  private final ObjectMapper mapper = new ObjectMapper();
  private final ObjectReader lines = mapper.readerFor(Line.class);
  private final HttpUrl url;

  /** OkHttp's own pool keeps 5 connections; 32 threads would measure their reopening. */
  private final OkHttpClient http =
      new OkHttpClient.Builder()
          .connectionPool(new ConnectionPool(64, 5, TimeUnit.MINUTES))
          .build();

  BareOkHttp(String baseUrl) {
    this.url = HttpUrl.get(baseUrl + "/api/chat");
  }

  @Override
  public String ask(String prompt) throws IOException {
    Request request =
        new Request.Builder().url(url).post(RequestBody.create(body(prompt), JSON)).build();
    try (Response response = http.newCall(request).execute()) {
      if (!response.isSuccessful()) {
        throw new IOException("HTTP " + response.code());
      }
      return answer(response.body().source());
    }
  }

  private byte[] body(String prompt) throws IOException {
    ObjectNode body =
        mapper.createObjectNode().put("model", "m").put("stream", true).put("think", false);
    body.putArray("messages").addObject().put("role", "user").put("content", prompt);
    body.putObject("options").put("num_predict", 1024);
    return mapper.writeValueAsBytes(body);
  }

  private String answer(BufferedSource source) throws IOException {
    StringBuilder answer = new StringBuilder();
    for (String line = source.readUtf8Line(); line != null; line = source.readUtf8Line()) {
      Line read = lines.readValue(line);
      answer.append(read.message().content());
      if (read.done()) {
        return answer.toString();
      }
    }
    throw new EOFException("no end marker");
  }

  @JsonIgnoreProperties(ignoreUnknown = true)
  record Line(Message message, boolean done) {}

  @JsonIgnoreProperties(ignoreUnknown = true)
  record Message(String content) {}
}
