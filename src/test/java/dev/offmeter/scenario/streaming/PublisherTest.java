// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.streaming;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A stream that is pushed, but only as far as its subscriber asks. */
@Timeout(20)
class PublisherTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft a reminder").build();

  private Node node;
  private LlmClient client;

  @BeforeEach
  void start() {
    node = loopback.node(OllamaReplies.answering("Dear", " Zoë", ","));
    client = loopback.client(LlmClient.builder().endpoint(ollama("node", node).build()));
  }

  /** Keeps what it is told. */
  private static class Subscriber implements Flow.Subscriber<ChatEvent> {
    final List<ChatEvent> events = new CopyOnWriteArrayList<>();
    final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
    final CompletableFuture<Boolean> completed = new CompletableFuture<>();
    final CompletableFuture<Throwable> failed = new CompletableFuture<>();

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      this.subscription.complete(subscription);
    }

    @Override
    public void onNext(ChatEvent event) {
      events.add(event);
    }

    @Override
    public void onError(Throwable thrown) {
      assertThat(completed).isNotDone();
      assertThat(failed.complete(thrown)).as("the first error").isTrue();
    }

    @Override
    public void onComplete() {
      assertThat(failed).isNotDone();
      assertThat(completed.complete(true)).as("the first end").isTrue();
    }

    String text() {
      StringBuilder text = new StringBuilder();
      for (ChatEvent event : events) {
        text.append(event instanceof ChatEvent.TextDelta delta ? delta.text() : "");
      }
      return text.toString();
    }
  }

  private Subscriber subscribed() {
    Subscriber subscriber = new Subscriber();
    client.publish(REQUEST).subscribe(subscriber);
    return subscriber;
  }

  @Test
  void tellsEverythingToWhoeverWantsItAll() throws Exception {
    Subscriber subscriber = subscribed();
    subscriber.subscription.get().request(Long.MAX_VALUE);

    assertThat(subscriber.completed.get()).isTrue();
    assertThat(subscriber.text()).isEqualTo("Dear Zoë,");
    assertThat(subscriber.events.get(3)).isInstanceOf(ChatEvent.Completed.class);
  }

  @Test
  void tellsNoMoreThanIsWanted() throws Exception {
    Subscriber subscriber = subscribed();
    Flow.Subscription subscription = subscriber.subscription.get();
    for (int wanted = 1; wanted <= 4; wanted++) {
      subscription.request(1);
      int told = wanted;
      await().until(() -> subscriber.events.size() == told);
    }

    assertThat(subscriber.completed.get()).as("without further demand").isTrue();
  }

  @Test
  void asksNobodyBeforeTheFirstDemand() throws Exception {
    Subscriber subscriber = subscribed();
    subscriber.subscription.get().cancel();

    assertThat(node.requests()).isEmpty();
  }

  @Test
  void asksAnewForEachSubscriber() throws Exception {
    Flow.Publisher<ChatEvent> publisher = client.publish(REQUEST);
    for (int i = 1; i <= 2; i++) {
      Subscriber subscriber = new Subscriber();
      publisher.subscribe(subscriber);
      subscriber.subscription.get().request(Long.MAX_VALUE);
      assertThat(subscriber.completed.get()).isTrue();
      assertThat(node.requests()).hasSize(i);
    }
  }

  @Test
  void cancellingClosesTheConnection() throws Exception {
    node.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear"));
          connection.hang();
        });
    Subscriber subscriber = subscribed();
    subscriber.subscription.get().request(Long.MAX_VALUE);
    await().until(() -> subscriber.events.size() == 1);

    subscriber.subscription.get().cancel();

    await().atMost(Duration.ofSeconds(1)).until(() -> node.openConnections() == 0);
    assertThat(subscriber.failed).as("no signal after a cancel").isNotDone();
    assertThat(subscriber.completed).isNotDone();
  }

  @Test
  void cancellingWithinASignalIsTheLastOfIt() throws Exception {
    CountDownLatch told = new CountDownLatch(1);
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onNext(ChatEvent event) {
            super.onNext(event);
            subscription.join().cancel();
            told.countDown();
          }
        };
    client.publish(REQUEST).subscribe(subscriber);
    subscriber.subscription.get().request(Long.MAX_VALUE);
    told.await();

    await().atMost(Duration.ofSeconds(1)).until(() -> node.openConnections() == 0);
    assertThat(subscriber.events).hasSize(1);
    assertThat(subscriber.completed).isNotDone();
  }

  @Test
  void aSubscriberThatThrowsEndsTheCall() throws Exception {
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onNext(ChatEvent event) {
            throw new IllegalStateException("cannot take it");
          }
        };
    client.publish(REQUEST).subscribe(subscriber);
    subscriber.subscription.get().request(Long.MAX_VALUE);

    assertThat(subscriber.failed.get()).hasMessage("cannot take it");
    await().atMost(Duration.ofSeconds(1)).until(() -> node.openConnections() == 0);
  }

  @Test
  void aCallThatFailsIsAnError() throws Exception {
    node.respondWith(OllamaReplies.status(400, "", ""));
    Subscriber subscriber = subscribed();
    subscriber.subscription.get().request(1);

    assertThat(subscriber.failed.get()).isInstanceOf(AllEndpointsFailedException.class);
    assertThat(subscriber.events).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, Long.MIN_VALUE})
  void aDemandBelowOneIsAnError(long demand) throws Exception {
    Subscriber subscriber = subscribed();
    subscriber.subscription.get().request(demand);

    assertThat(subscriber.failed.get())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("demand must be at least 1");
    assertThat(node.requests()).isEmpty();
  }

  @Test
  void nothingIsToldBeforeTheSubscriptionIs() throws Exception {
    AtomicBoolean subscribing = new AtomicBoolean();
    AtomicBoolean overlapped = new AtomicBoolean();
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onSubscribe(Flow.Subscription subscription) {
            subscribing.set(true);
            subscription.request(Long.MAX_VALUE);
            assertThat(node.requests()).isEmpty();
            subscribing.set(false);
          }

          @Override
          public void onNext(ChatEvent event) {
            overlapped.compareAndSet(false, subscribing.get());
          }
        };
    client.publish(REQUEST).subscribe(subscriber);

    assertThat(subscriber.completed.get()).isTrue();
    assertThat(overlapped).isFalse();
  }

  @Test
  void aCancelInTheLastSignalIsTheEnd() throws Exception {
    CountDownLatch last = new CountDownLatch(1);
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onNext(ChatEvent event) {
            if (event instanceof ChatEvent.Completed) {
              subscription.join().cancel();
              last.countDown();
            }
          }
        };
    client.publish(REQUEST).subscribe(subscriber);
    subscriber.subscription.get().request(Long.MAX_VALUE);
    last.await();

    await().until(() -> ClientInternals.activeCalls(client) == 0);
    assertThat(subscriber.completed).isNotDone();
  }

  @Test
  void nothingFollowsTheEndEvenIfItIsTakenBadly() throws Exception {
    CountDownLatch ended = new CountDownLatch(1);
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onComplete() {
            ended.countDown();
            throw new IllegalStateException("taken badly");
          }
        };
    client.publish(REQUEST).subscribe(subscriber);
    subscriber.subscription.get().request(Long.MAX_VALUE);
    ended.await();
    subscriber.subscription.get().request(1);

    assertThat(client.chat(REQUEST).text()).isEqualTo("Dear Zoë,");
    assertThat(subscriber.failed).isNotDone();
  }

  @Test
  void aSubscriberThatRefusesItsSubscriptionLeavesNothing() {
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onSubscribe(Flow.Subscription subscription) {
            throw new IllegalStateException("refused");
          }
        };

    client.publish(REQUEST).subscribe(subscriber);

    assertThat(ClientInternals.activeCalls(client)).isZero();
  }

  @Test
  void aBadDemandIsAnErrorAmongGoodOnes() throws Exception {
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onNext(ChatEvent event) {
            subscription.join().request(-1);
          }
        };
    client.publish(REQUEST).subscribe(subscriber);
    subscriber.subscription.get().request(Long.MAX_VALUE);

    assertThat(subscriber.failed.get()).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void demandsBeyondAllNumbersAreAllDemand() throws Exception {
    Subscriber subscriber = subscribed();
    subscriber.subscription.get().request(Long.MAX_VALUE);
    subscriber.subscription.get().request(Long.MAX_VALUE);

    assertThat(subscriber.completed.get()).isTrue();
  }

  @Test
  void aClosedClientTellsItsSubscribers() throws Exception {
    Subscriber idle = subscribed();
    Subscriber reading = subscribed();
    node.respondWith(OllamaReplies.hanging());
    reading.subscription.get().request(1);
    node.awaitFirstRequest();

    client.close();
    idle.subscription.get().request(1);
    Subscriber late = subscribed();

    assertThat(reading.failed.get()).isExactlyInstanceOf(LlmException.class);
    assertThat(idle.failed.get()).isExactlyInstanceOf(LlmException.class);
    assertThat(late.failed.get()).isInstanceOf(IllegalStateException.class);
  }
}
