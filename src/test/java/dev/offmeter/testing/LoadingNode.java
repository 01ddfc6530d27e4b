// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Simulates an Ollama over time, as its sources describe it. A model that is not in memory is
 * loaded for the connection that first wants it, and the load is aborted when that connection
 * closes. One request at a time is processed, and the others wait without a byte; when as many wait
 * for a load as its queue holds, the next is refused with HTTP 503. There is room for one model
 * with one num_ctx, which is replaced by another as soon as it is idle. A model that is being
 * loaded is listed like a loaded one, as on 0.24 and 0.32, or not at all, as on 0.33.
 */
public final class LoadingNode {
  private static final String MODEL = "\"name\":\"home-model:latest\"";
  private static final Pattern NAME = Pattern.compile("\"model\":\"([^\"]*)\"");
  private static final Pattern CONTEXT = Pattern.compile("\"num_ctx\":(\\d+)");

  private final boolean openAiCompatible;
  private final ManualTime time;
  private final Duration load;
  private final Duration work;
  private final Node node;
  private final List<Waiting> queue = new ArrayList<>();
  private final AtomicInteger muteTowards = new AtomicInteger();
  private volatile boolean dropHealthChecks;
  private boolean listModelWhileLoading = true;
  private int maxQueue = Integer.MAX_VALUE;
  private @Nullable String resident;
  private boolean frozen;
  private boolean setOff;
  private int loadsStarted;
  private int loadRequests;
  private @Nullable Waiting loader;
  private @Nullable Waiting served;

  private final class Waiting {
    final Connection connection;
    final String reply;
    final boolean needsSlot;
    final String model;
    @Nullable Future<?> clock;

    Waiting(Connection connection, Connection.Request request, String reply, boolean needsSlot) {
      this.connection = connection;
      this.model = model(request);
      this.reply = reply;
      this.needsSlot = needsSlot;
    }

    void after(Duration duration, Runnable task) {
      clock = time.timer().schedule(task, duration.toNanos(), TimeUnit.NANOSECONDS);
    }
  }

  /**
   * Creates a node with a cold model.
   *
   * @param load how long loading takes
   * @param work how long an answer takes
   */
  public LoadingNode(Loopback loopback, ManualTime time, Duration load, Duration work) {
    this(loopback, time, load, work, false);
  }

  /**
   * Creates such a node with OpenAI's API, as LocalAI, LM Studio or llama-swap have: its list of
   * models does not tell which are loaded, and only a request loads one.
   */
  public static LoadingNode openAiCompatible(
      Loopback loopback, ManualTime time, Duration load, Duration work) {
    return new LoadingNode(loopback, time, load, work, true);
  }

  private LoadingNode(
      Loopback loopback, ManualTime time, Duration load, Duration work, boolean openAiCompatible) {
    this.openAiCompatible = openAiCompatible;
    this.time = time;
    this.load = load;
    this.work = work;
    this.node = loopback.node(this::chat).respondToProbesWith(this::answerProbe);
  }

  /** Returns the server itself. */
  public Node node() {
    return node;
  }

  /** Sets whether a model that is being loaded is listed. */
  public synchronized LoadingNode listModelWhileLoading(boolean lists) {
    listModelWhileLoading = lists;
    return this;
  }

  /** Sets how many requests may wait for a load, as OLLAMA_MAX_QUEUE does. */
  public synchronized LoadingNode maxQueue(int most) {
    maxQueue = most;
    return this;
  }

  /** Returns how many requests have arrived and not been replied to. */
  public synchronized int waitingRequests() {
    return queue.size();
  }

  /** Puts the model into memory. */
  public synchronized LoadingNode preloadModel() {
    resident = MODEL;
    return this;
  }

  /** Drops the model from memory. */
  public synchronized void unloadModel() {
    resident = null;
  }

  /** Returns whether an answer is in progress. */
  public synchronized boolean isAnswering() {
    return served != null;
  }

  /** Returns whether a load is in progress. */
  public synchronized boolean isLoading() {
    return loader != null;
  }

  /** Returns how often a load was begun. */
  public synchronized int loadsStarted() {
    return loadsStarted;
  }

  /** Returns how many requests for a load have been processed, whatever their outcome. */
  public synchronized int loadRequests() {
    return loadRequests;
  }

  /** Stops replying to health checks, while calls are processed. */
  public void dropHealthChecks(boolean loses) {
    dropHealthChecks = loses;
  }

  /** Returns whether a health check waits for its reply. */
  public boolean isHealthCheckWaiting() {
    return muteTowards.get() > 0;
  }

  /** Accepts connections and sends nothing any more; work in progress is lost. */
  public synchronized void freeze() {
    frozen = true;
    queue.forEach(LoadingNode::stop);
    queue.clear();
    loader = null;
    served = null;
  }

  /** Simulates a tunnel whose other end is off; the model is cold afterwards. */
  public synchronized void setOff(boolean isOff) {
    setOff = isOff;
    resident = null;
  }

  /** Ends {@link #freeze()}. */
  public synchronized void thaw() {
    frozen = false;
  }

  /** Returns how many requests for one token have arrived. */
  public long oneTokenRequests() {
    return node.requests().stream().filter(LoadingNode::isForOneToken).count();
  }

  private static boolean isForOneToken(Connection.Request request) {
    return request.body().contains("\"max_tokens\":1,");
  }

  private void chat(Connection connection, Connection.Request request) throws IOException {
    if (openAiCompatible) {
      String text =
          isForOneToken(request)
              ? json(
                  "{\"choices\":[{\"message\":{\"content\":\"H\"},\"finish_reason\":\"length\"}]}")
              : ServerReplies.openAiReply("HOME");
      answers(connection, new Waiting(connection, request, text, true));
      return;
    }
    String answer =
        OllamaReplies.tokens("HOME") + OllamaReplies.end("stop", 1) + OllamaReplies.LAST_CHUNK;
    answers(connection, new Waiting(connection, request, OllamaReplies.STREAM_HEAD + answer, true));
  }

  private void answerProbe(Connection connection, Connection.Request request) throws IOException {
    String path = request.line().split(" ")[1];
    if (path.equals("/api/generate")) {
      answers(
          connection,
          new Waiting(
              connection, request, json("{\"done\":true,\"done_reason\":\"load\"}"), false));
    } else if (isMute() || dropHealthChecks) {
      muteTowards.incrementAndGet();
      connection.hang();
      muteTowards.decrementAndGet();
    } else if (isOff()) {
      connection.send(TUNNEL_DOWN);
    } else if (openAiCompatible) {
      connection.send(json("{\"data\":[{\"id\":\"home-model\"}]}"));
    } else {
      connection.send(json(path.equals("/api/ps") ? listed() : "{\"version\":\"0.32.15\"}"));
    }
  }

  private static final String TUNNEL_DOWN =
      "HTTP/1.1 530 X\r\nContent-Length: 16\r\n\r\nerror code: 1033";

  private static String json(String body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        + body.length()
        + "\r\n\r\n"
        + body;
  }

  private static final String BUSY =
      json("{\"error\":\"server busy, please try again.  maximum pending requests exceeded\"}")
          .replace("200 OK", "503 Service Unavailable");

  private boolean isFull() {
    return resident == null && queue.size() >= maxQueue;
  }

  private synchronized boolean isMute() {
    return frozen;
  }

  private synchronized boolean isOff() {
    return setOff;
  }

  private synchronized String listed() {
    String model = listModelWhileLoading && loader != null ? loader.model : resident;
    return "{\"models\":[" + (model == null ? "" : "{" + model + "}") + "]}";
  }

  /** Returns the model as the list shows it: with its name and the context that it has. */
  private static String model(Connection.Request request) {
    Matcher name = NAME.matcher(request.body());
    Matcher context = CONTEXT.matcher(request.body());
    String model = name.find() ? "\"name\":\"" + name.group(1) + ":latest\"" : MODEL;
    return context.find() ? model + ",\"context_length\":" + context.group(1) : model;
  }

  private void answers(Connection connection, Waiting waiter) throws IOException {
    boolean taken;
    synchronized (this) {
      loadRequests += waiter.needsSlot ? 0 : 1;
      taken = !frozen && !setOff && !isFull();
      if (taken) {
        queue.add(waiter);
        goOn();
      }
    }
    if (!taken && isMute()) {
      connection.hang();
      return;
    }
    if (!taken) {
      connection.send(isOff() ? TUNNEL_DOWN : BUSY);
      return;
    }
    if (!connection.awaitNext()) {
      abandoned(waiter);
    }
  }

  private synchronized void goOn() {
    for (Waiting waiter : List.copyOf(queue)) {
      if (!queue.contains(waiter)) {
        continue;
      }
      if (!waiter.model.equals(resident)) {
        load(waiter);
        return;
      }
      if (!waiter.needsSlot) {
        send(waiter);
      } else if (served == null) {
        served = waiter;
        waiter.after(work, () -> send(waiter));
      }
    }
  }

  private void load(Waiting first) {
    if (loader == null && served == null) {
      resident = null;
      loader = first;
      loadsStarted++;
      first.after(load, this::loaded);
    }
  }

  private synchronized void loaded() {
    Waiting owner = loader;
    resident = owner == null ? null : owner.model;
    loader = null;
    goOn();
  }

  private synchronized void send(Waiting waiter) {
    try {
      leaves(waiter);
      waiter.connection.send(waiter.reply);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    goOn();
  }

  private void leaves(Waiting waiter) {
    queue.remove(waiter);
    served = served == waiter ? null : served;
  }

  private synchronized void abandoned(Waiting waiter) {
    if (!queue.contains(waiter)) {
      return;
    }
    stop(waiter);
    leaves(waiter);
    loader = loader == waiter ? null : loader;
    goOn();
  }

  private static void stop(Waiting waiter) {
    Future<?> clock = waiter.clock;
    if (clock != null) {
      clock.cancel(false);
    }
  }
}
