// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import static dev.offmeter.scenario.random.MonthBooks.ZURICH;
import static dev.offmeter.scenario.random.MonthBooks.addTo;
import static dev.offmeter.scenario.random.MonthBooks.day;
import static dev.offmeter.scenario.random.MonthBooks.nanos;
import static dev.offmeter.scenario.random.MonthBooks.slack;
import static dev.offmeter.scenario.random.MonthBooks.start;
import static dev.offmeter.scenario.random.MonthBooks.windowStart;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.meter.Price;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.scenario.random.BillingProvider.Bill;
import dev.offmeter.scenario.random.BillingProvider.Fate;
import dev.offmeter.scenario.random.BillingProvider.Plan;
import dev.offmeter.scenario.random.BillingProvider.Prices;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.Seeds;
import java.math.BigDecimal;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/**
 * A month of one caller's calls to a free node and two paid ones, with restarts of the client. Time
 * moves between the calls.
 */
final class SimulatedMonth {
  private static final Duration LENGTH = Duration.ofDays(31);
  private static final int MAX_TOKENS = 40;

  private static final Budget DAY = Budget.money("day", "0.0009", "USD").perDay(ZURICH);
  private static final Budget WEEK = Budget.money("week", "0.0045", "USD").perWeek(ZURICH);
  private static final Budget MONTH = Budget.money("month", "0.0060", "USD").perMonth(ZURICH);
  private static final Budget LATELY =
      Budget.money("lately", "0.0007", "USD")
          .perRolling(Duration.ofHours(36))
          .endpoint("reporting");
  private static final Budget FEATURE =
      Budget.money("feature", "0.0020", "USD").perWeek(ZURICH).tag("feature");
  private static final List<Budget> BUDGETS = List.of(DAY, WEEK, MONTH, LATELY, FEATURE);

  private static final List<Integer> REFUSALS = List.of(400, 500, 503);
  static final String AGREED = "agreed";

  private enum Kind {
    CHAT,
    CHECKED,
    STREAM,
    STREAM_CLOSED,
    CLIENT_CLOSED
  }

  /** An attempt at an endpoint that bills has ended. */
  private record Ended(Instant at, Attempt attempt) {}

  private final ManualTime time;
  private final Random random;
  private final Supplier<BudgetStore> stores;
  private final BillingProvider home;
  private final BillingProvider reporting;
  private final BillingProvider silent;
  private final List<Endpoint> endpoints;

  private final MonthBooks books = new MonthBooks();
  private final Map<LocalDate, BigDecimal> meteredByDay = new TreeMap<>();
  private final AtomicInteger started = new AtomicInteger();
  private final List<Ended> ended = new CopyOnWriteArrayList<>();
  private final Set<String> refusedBy = new ConcurrentSkipListSet<>();
  private LlmClient client;
  private String feature = "";

  /**
   * Creates a month.
   *
   * @param stores opens the same counts for each client anew
   */
  SimulatedMonth(Loopback loopback, ManualTime time, long seed, Supplier<BudgetStore> stores) {
    this.time = time;
    this.random = Seeds.of(seed, "month");
    this.stores = stores;
    home = new BillingProvider(time, Prices.of("0", "0", "0"), true);
    reporting = new BillingProvider(time, Prices.of("0.3", "0.03", "2.5"), true);
    silent = new BillingProvider(time, Prices.of("0.1", "0.1", "1.7"), false);
    endpoints =
        List.of(
            endpoint("home", loopback.node(home)).locality(Locality.SELF_HOSTED).build(),
            endpoint("reporting", loopback.node(reporting))
                .price(Price.perMillionTokens("USD", "0.3", "2.5").cachedInput(0.03))
                .build(),
            endpoint("silent", loopback.node(silent))
                .price(Price.perMillionTokens("USD", "0.1", "1.7"))
                .build(),
            template());
    client = open();
  }

  private static Endpoint.Builder endpoint(String name, Node node) {
    node.respondToProbesWith(
        OllamaReplies.status(200, "application/json", "{\"data\":[{\"id\":\"m\"}]}"));
    return Endpoint.openAi(name, node.url()).model("m").locality(Locality.MANAGED);
  }

  private LlmClient open() {
    LlmClient.Builder builder = ClientInternals.builder(time).budgetStore(stores.get());
    endpoints.forEach(builder::endpoint);
    BUDGETS.forEach(builder::budget);
    return builder.listener(new Recorder()).build();
  }

  /** Keeps the attempts that were sent, and the budgets that kept others from it. */
  private final class Recorder implements LlmListener {
    @Override
    public void onAttemptStarted(long call, String endpoint, String model) {
      started.incrementAndGet();
    }

    @Override
    public void onAttemptEnded(long call, Attempt attempt) {
      ended.add(new Ended(time.instant(), attempt));
    }

    @Override
    public void onAttemptSkipped(long call, Attempt attempt) {
      if (attempt.failure().filter(FailureKind.BUDGET_EXCEEDED::equals).isPresent()) {
        refusedBy.add(attempt.message().replaceAll("(?s).* in budget (\\w+).*", "$1"));
      }
    }
  }

  /** Runs the month, and looks at the budgets after each call and around each midnight. */
  void run() {
    Instant end = time.instant().plus(LENGTH);
    try {
      while (time.instant().isBefore(end)) {
        pass(Duration.ofMinutes(5 + random.nextInt(random.nextInt(5) == 0 ? 600 : 150)));
        call();
      }
    } finally {
      close();
    }
    theExactCostsAreTheBills();
    theEstimatesLieAboveTheBills();
    BUDGETS.forEach(this::theBillsPassNoLimit);
    theDaysOfTheMetersAddUp();
    everythingHasHappened();
  }

  private void pass(Duration gap) {
    // Ten seconds past a minute: no call is held over midnight.
    Instant target = time.instant().plus(gap).truncatedTo(ChronoUnit.MINUTES).plusSeconds(10);
    LocalDate next = day(time.instant()).plusDays(1);
    while (!start(next).isAfter(target)) {
      advanceTo(start(next).minusNanos(1));
      theBudgetsHaveSpentWhatTheMetersSay();
      advanceTo(start(next));
      theBudgetsHaveSpentWhatTheMetersSay();
      theBudgetsBeginAnew(next);
      next = next.plusDays(1);
    }
    advanceTo(target);
  }

  private void advanceTo(Instant moment) {
    // As on a machine that sleeps meanwhile: hours of health checks would take minutes.
    time.suspendProcess(Duration.between(time.instant(), moment));
    time.advance(Duration.ZERO);
  }

  private void call() {
    Instant at = time.instant();
    feature = random.nextBoolean() ? "mail" : "summary";
    String text = "a reminder of invoice ".repeat(1 + random.nextInt(20));
    ChatRequest.Builder request =
        ChatRequest.builder().user(text).maxTokens(MAX_TOKENS).tag("feature", feature);
    Kind kind = kind();
    switch (kind) {
      case CHAT -> chat(text, request.build());
      case CHECKED -> chat(text, request.accept(AnswerCheck.mentions(AGREED)).build());
      case STREAM -> {
        planToEnd(text);
        read(request.build(), Integer.MAX_VALUE);
      }
      case STREAM_CLOSED -> {
        int pieces = 1 + random.nextInt(20);
        planToHold(text, pieces);
        read(request.build(), pieces);
      }
      default -> {
        planToHold(text, 0);
        int before = held();
        closeMeanwhile(client.chatAsync(request.build()), before);
      }
    }
    Loopback.awaitSoon(this::isSettled);
    books.add(at, feature, client.meter().snapshot());
    theBudgetsHaveSpentWhatTheMetersSay();
    if (kind == Kind.CLIENT_CLOSED) {
      close();
      books.onRestart();
      client = open();
    }
  }

  private Kind kind() {
    int drawn = random.nextInt(40);
    if (drawn == 0) {
      return Kind.CLIENT_CLOSED;
    }
    return List.of(Kind.CHAT, Kind.CHAT, Kind.CHECKED, Kind.STREAM, Kind.STREAM_CLOSED)
        .get(drawn % 5);
  }

  /**
   * Draws answers, refusals and cut connections; the free node fails more often than not. No
   * endpoint is to be DOWN for long: its health checks would be most of a month.
   */
  private void planToEnd(String text) {
    for (BillingProvider each : List.of(home, reporting, silent)) {
      boolean answers = random.nextInt(10) < (each == home ? 3 : 7);
      Fate failure = random.nextBoolean() || each.hasFailed() ? Fate.REFUSED : Fate.CUT;
      Fate fate = answers ? Fate.ANSWERED : failure;
      int pieces = random.nextInt(MAX_TOKENS) + (answers ? 1 : 0);
      plan(each, text, fate, pieces);
    }
  }

  /**
   * Lets nodes hold, after some pieces if wanted. A node that bills completes no answer that its
   * reader may leave: it would be chance whether the reader has seen the usage.
   */
  private void planToHold(String text, int pieces) {
    plan(home, text, Fate.REFUSED, pieces);
    for (BillingProvider paid : List.of(reporting, silent)) {
      plan(paid, text, random.nextInt(4) == 0 ? Fate.REFUSED : Fate.HELD, pieces);
    }
  }

  private void plan(BillingProvider provider, String text, Fate fate, int pieces) {
    int input = text.length() / 4 + 5;
    int drawn = REFUSALS.get(random.nextInt(REFUSALS.size()));
    int status = provider.hasFailed() ? 400 : drawn;
    String ending = random.nextBoolean() ? AGREED : "word";
    int cached = random.nextInt(input);
    provider.plan(new Plan(fate, feature, status, input, cached, pieces, ending));
  }

  private void chat(String text, ChatRequest request) {
    planToEnd(text);
    tried(() -> client.chat(request));
  }

  private void read(ChatRequest request, int pieces) {
    tried(
        () -> {
          try (ChatStream stream = client.stream(request)) {
            Iterator<ChatEvent> events = stream.iterator();
            for (int i = 0; i < pieces && events.hasNext(); i++) {
              assertThat(events.next()).isNotNull();
            }
          }
        });
  }

  /** Runs a call, which may fail: the bills are what counts. */
  private static void tried(ThrowingCallable call) {
    Throwable failure = catchThrowable(call);
    if (failure != null) {
      assertThat(failure).isInstanceOf(LlmException.class);
    }
  }

  /** Closes the client while a node holds the call, unless the call has ended without. */
  private void closeMeanwhile(CompletableFuture<?> call, int heldBefore) {
    Loopback.awaitSoon(() -> call.isDone() || held() > heldBefore);
    client.close();
    Loopback.awaitSoon(call::isDone);
  }

  private int held() {
    return home.held() + reporting.held() + silent.held();
  }

  /** A closed stream leaves something to other threads. */
  private boolean isSettled() {
    return started.get() == ended.size()
        && client.meter().budgets().stream().allMatch(each -> each.reserved() == 0);
  }

  private void close() {
    client.close();
    client
        .meter()
        .snapshot()
        .byDay()
        .forEach((day, totals) -> addTo(meteredByDay, day, totals.cost().amount()));
  }

  private void theBudgetsHaveSpentWhatTheMetersSay() {
    Instant now = time.instant();
    for (BudgetStatus status : client.meter().budgets()) {
      Budget budget = status.budget();
      Instant start = windowStart(budget, now);
      long spent = books.spentSince(start, budget, status.scope());
      long most = books.spentSince(start.minus(slack(budget)), budget, status.scope());
      assertThat(status.spent()).as("%s at %s", status, now).isBetween(spent, most);
    }
  }

  private void theBudgetsBeginAnew(LocalDate day) {
    for (BudgetStatus status : client.meter().budgets()) {
      boolean begins =
          switch (status.budget().window().period()) {
            case DAY -> true;
            case WEEK -> day.getDayOfWeek() == DayOfWeek.MONDAY;
            case MONTH -> day.getDayOfMonth() == 1;
            default -> false;
          };
      if (begins) {
        assertThat(status.spent()).as("%s on %s", status, day).isZero();
      }
    }
  }

  private void theExactCostsAreTheBills() {
    Map<LocalDate, BigDecimal> exact = books.byDay("reporting", ZURICH);
    ended.stream()
        .filter(each -> each.attempt().endpoint().equals("reporting"))
        .filter(each -> each.attempt().cost().isEstimated())
        .forEach(each -> addTo(exact, day(each.at()), each.attempt().cost().amount().negate()));
    Map<LocalDate, BigDecimal> billed = new TreeMap<>();
    reporting.bills().stream()
        .filter(Bill::reported)
        .forEach(bill -> addTo(billed, day(bill.at()), bill.amount()));

    exact.values().removeIf(amount -> amount.signum() == 0);
    assertThat(exact).isEqualTo(billed).hasSizeGreaterThan(10);
  }

  private void theEstimatesLieAboveTheBills() {
    Map.of("reporting", reporting, "silent", silent)
        .forEach(
            (name, provider) -> {
              Map<LocalDate, BigDecimal> metered = books.byDay(name, ZURICH);
              Map<LocalDate, BigDecimal> billed = new TreeMap<>();
              provider.bills().forEach(bill -> addTo(billed, day(bill.at()), bill.amount()));

              assertThat(metered).containsOnlyKeys(billed.keySet());
              billed.forEach(
                  (day, sum) ->
                      assertThat(metered.get(day))
                          .as("%s on %s", name, day)
                          .isGreaterThanOrEqualTo(sum));
            });
  }

  /** In each window that ends with a bill: those before it in the same window had less. */
  private void theBillsPassNoLimit(Budget budget) {
    boolean ofOne = budget.endpoint().isPresent();
    List<Bill> bills =
        Stream.of(reporting, silent)
            .filter(provider -> !ofOne || provider == reporting)
            .flatMap(provider -> provider.bills().stream())
            .toList();
    for (Bill last : bills) {
      Instant start = windowStart(budget, last.at());
      BigDecimal sum =
          bills.stream()
              .filter(bill -> !bill.at().isBefore(start) && !bill.at().isAfter(last.at()))
              .filter(bill -> budget.tag().isEmpty() || bill.feature().equals(last.feature()))
              .map(Bill::amount)
              .reduce(BigDecimal.ZERO, BigDecimal::add);
      assertThat(nanos(sum)).as("%s at %s", budget, last.at()).isLessThanOrEqualTo(budget.limit());
    }
  }

  private void theDaysOfTheMetersAddUp() {
    ZoneId zone = ZoneId.systemDefault();
    Map<LocalDate, BigDecimal> both = books.byDay("reporting", zone);
    books.byDay("silent", zone).forEach((day, sum) -> addTo(both, day, sum));

    assertThat(meteredByDay).isEqualTo(both);
  }

  /** Without this, all the rest could hold of a month in which nothing happened. */
  private void everythingHasHappened() {
    assertThat(refusedBy).hasSizeGreaterThanOrEqualTo(3);
    assertThat(ended)
        .extracting(each -> each.attempt().failure())
        .contains(
            Optional.empty(),
            Optional.of(FailureKind.SERVER_ERROR),
            Optional.of(FailureKind.TRUNCATED),
            Optional.of(FailureKind.CANCELLED));
  }
}
