// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * A process with many callers from its first moment on. Prints, every few seconds, how many calls
 * were answered a second.
 */
final class FirstSeconds {
  private static final LongAdder CALLS = new LongAdder();

  private FirstSeconds() {}

  public static void main(String[] args) throws Exception {
    Asked client = client(args[0], args[1]);
    int callers = Integer.parseInt(args[2]);
    int windows = Integer.parseInt(args[3]);
    long window = TimeUnit.SECONDS.toNanos(Integer.parseInt(args[4]));
    for (int i = 0; i < callers; i++) {
      Thread caller = new Thread(() -> askOnAndOn(client));
      caller.setDaemon(true);
      caller.start();
    }
    long since = System.nanoTime();
    long before = 0;
    for (int i = 1; i <= windows; i++) {
      TimeUnit.NANOSECONDS.sleep(since + i * window - System.nanoTime());
      long calls = CALLS.sum();
      System.out.println(TimeUnit.SECONDS.toNanos(1) * (calls - before) / window);
      before = calls;
    }
    System.exit(0);
  }

  private interface Asked {
    String ask(String prompt) throws Exception;
  }

  private static Asked client(String name, String url) {
    if (name.equals("okhttp")) {
      return new BareOkHttp(url)::ask;
    }
    Endpoint server = Endpoint.ollama("server", url).model("m").build();
    LlmClient llm = LlmClient.builder().endpoint(server).build();
    return prompt -> llm.chat(prompt).text();
  }

  private static void askOnAndOn(Asked client) {
    try {
      while (true) {
        if (!client.ask(ChatBenchmark.PROMPT).equals(BenchServer.ANSWER)) {
          throw new IllegalStateException("another answer");
        }
        CALLS.increment();
      }
    } catch (Exception e) {
      e.printStackTrace();
      System.exit(1);
    }
  }
}
