// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.offmeter.observe.Resilience4jRegistries;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The arrows between the packages, all of them one way, and what a public signature may name. The
 * root package counts as three layers, because a client is built on top of all that an endpoint and
 * the vocabulary lie below.
 */
class ArchitectureTest {
  private static final String ROOT = "dev.offmeter";
  private static final String INTERNAL = "dev.offmeter.internal";

  private static final String INTEGRATION = "dev.offmeter.integration.";

  /** What the public signatures of an integration may name beside this project and the JDK. */
  private static final Map<String, Set<String>> FRAMEWORKS =
      Map.of(
          "redis", Set.of("io.lettuce."),
          "micrometer", Set.of("io.micrometer."),
          "langchain4j", Set.of("dev.langchain4j."),
          "springai", Set.of("org.springframework.ai.", "io.micrometer.", "reactor."),
          "spring", Set.of("org.springframework.", "okhttp3."),
          "spring.boot3", Set.of("org.springframework."));

  /** The number of public types in each package for a framework. */
  private static final Map<String, Integer> PUBLIC_TYPES_OF_FRAMEWORKS =
      Map.of(
          INTEGRATION + "langchain4j", 3,
          INTEGRATION + "micrometer", 4,
          INTEGRATION + "spring", 7,
          INTEGRATION + "spring.boot3", 1,
          INTEGRATION + "springai", 1);

  private static final String VOCABULARY = "the vocabulary";
  private static final String ENDPOINT = "the endpoint";
  private static final String CLIENT = "the client";

  /** The types that make up the messages between a caller and an endpoint. */
  private static final Set<String> VOCABULARY_TYPES =
      Set.of(
          "AllEndpointsFailedException",
          "Attempt",
          "BudgetExceededException",
          "Capability",
          "ChatEvent",
          "ChatRequest",
          "ChatResponse",
          "Dialect",
          "FailureKind",
          "FinishReason",
          "Image",
          "LlmException",
          "LoopDetectedException",
          "Locality",
          "Message",
          "Preconditions",
          "Role",
          "StreamRecovery",
          "Surrogates",
          "Usage",
          "ValueMistakes");

  private static final Set<String> ENDPOINT_TYPES =
      Set.of(
          "BaseUrl",
          "DefaultLocality",
          "Dependencies",
          "Endpoint",
          "HeaderRules",
          "OptionValues",
          "RequestDefaults");

  private static final Set<String> CLIENT_TYPES =
      Set.of(
          "BudgetRules",
          "CallerContext",
          "ChatStream",
          "CompositeListener",
          "DefaultMaxTokensWarning",
          "EventPublisher",
          "LlmClient",
          "LoopGuard",
          "MaxTokensCeiling",
          "Prices",
          "StartupLog",
          "StructuredAnswer",
          "TaskHandoff");

  /** Each layer with those that it knows, which stand above it in this list. */
  private static final Map<String, Set<String>> LAYERS =
      layers(
          List.of("internal.json"),
          List.of(VOCABULARY, "internal.json"),
          List.of("internal", VOCABULARY),
          List.of("observe", VOCABULARY),
          List.of("integration.jdbc", VOCABULARY),
          List.of("integration.redis", VOCABULARY),
          List.of("internal.time", "internal"),
          List.of("internal.schema", "internal.json", "internal", VOCABULARY),
          List.of("internal.wire", "internal.json", "internal", VOCABULARY),
          List.of("internal.wire.ollama", "internal.wire", "internal.json", "internal", VOCABULARY),
          List.of(
              "internal.wire.openai",
              // A server of Ollama's with the API of OpenAI's.
              "internal.wire.ollama",
              "internal.wire",
              "internal.json",
              "internal",
              VOCABULARY),
          List.of("internal.wire.gemini", "internal.wire", "internal", VOCABULARY),
          List.of("internal.wire.anthropic", "internal.wire", "internal", VOCABULARY),
          List.of("internal.http", "internal.wire", "internal", VOCABULARY),
          List.of("internal.report", VOCABULARY),
          List.of("internal.usagelog", "internal.json", "internal.time", "internal", VOCABULARY),
          List.of(
              "internal.meter",
              "internal.report",
              "internal.usagelog",
              "internal.time",
              "internal",
              VOCABULARY),
          List.of(
              "internal.budget",
              "internal.meter",
              "internal.time",
              "internal.http",
              "observe",
              "internal",
              VOCABULARY),
          List.of("internal.circuit", "internal.time", "observe", "internal", VOCABULARY),
          List.of(
              "internal.health",
              "internal.circuit",
              "internal.time",
              // Health checks are exchanges.
              "internal.http",
              "internal.wire",
              "observe",
              "internal",
              VOCABULARY),
          List.of(
              "internal.failover",
              "internal.budget",
              "internal.meter",
              "internal.health",
              "internal.circuit",
              "internal.time",
              "internal.http",
              "internal.wire",
              "internal.schema",
              "observe",
              "internal",
              VOCABULARY),
          List.of(
              ENDPOINT,
              "internal.http",
              "internal.wire",
              "internal.wire.ollama",
              "internal.wire.openai",
              "internal.wire.gemini",
              "internal.wire.anthropic",
              VOCABULARY),
          List.of("internal.config", ENDPOINT, "internal", VOCABULARY),
          List.of("internal.config.litellm", "internal.config", ENDPOINT, "internal", VOCABULARY),
          List.of(
              CLIENT,
              "internal.config",
              "internal.config.litellm",
              ENDPOINT,
              "internal.failover",
              "internal.budget",
              "internal.meter",
              "internal.report",
              "internal.usagelog",
              "internal.time",
              "internal.http",
              "internal.schema",
              "observe",
              "internal",
              VOCABULARY),
          List.of("integration.langchain4j", "internal.json", CLIENT, VOCABULARY),
          List.of("integration.micrometer", "internal.json", CLIENT, "observe", VOCABULARY),
          List.of("integration.springai", CLIENT, VOCABULARY),
          List.of(
              "integration.spring",
              "integration.langchain4j",
              "integration.micrometer",
              "integration.springai",
              CLIENT,
              // Properties are read as the variables of the same words.
              "internal.config",
              "observe",
              VOCABULARY),
          List.of("integration.spring.boot3", "integration.spring", CLIENT));

  private static final JavaClasses MAIN =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages(ROOT);

  /** The test kit, whose classes the tests have among their own. */
  private static final JavaClasses TEST_KIT =
      new ClassFileImporter().importPackages("dev.offmeter.testkit");

  @SafeVarargs
  private static Map<String, Set<String>> layers(List<String>... layers) {
    Map<String, Set<String>> known = new LinkedHashMap<>();
    for (List<String> layer : layers) {
      Set<String> below = new TreeSet<>(layer.subList(1, layer.size()));
      assertThat(known.keySet()).as("layers below " + layer.get(0)).containsAll(below);
      known.put(layer.get(0), below);
    }
    return known;
  }

  private static String layer(JavaClass any) {
    JavaClass type = any.getBaseComponentType();
    String name = type.getPackageName();
    if (name.equals(ROOT)) {
      return rootLayer(outermost(type).getSimpleName());
    }
    // A check of an answer is part of the request, and sees the answer; a cost is part of both.
    return name.equals("dev.offmeter.guard") || name.equals("dev.offmeter.meter")
        ? VOCABULARY
        : name.substring(ROOT.length() + 1);
  }

  private static JavaClass outermost(JavaClass type) {
    return type.getEnclosingClass().map(ArchitectureTest::outermost).orElse(type);
  }

  private static String rootLayer(String type) {
    if (VOCABULARY_TYPES.contains(type)) {
      return VOCABULARY;
    }
    return ENDPOINT_TYPES.contains(type) ? ENDPOINT : CLIENT;
  }

  @Test
  void everyTypeOfTheRootIsInOneOfItsThreeLayers() {
    assertThat(
            MAIN.stream()
                .filter(type -> type.getPackageName().equals(ROOT) && type.isTopLevelClass())
                .map(JavaClass::getSimpleName)
                .filter(name -> !name.equals("package-info")))
        .containsExactlyInAnyOrderElementsOf(
            Stream.of(VOCABULARY_TYPES, ENDPOINT_TYPES, CLIENT_TYPES)
                .flatMap(Set::stream)
                .toList());
  }

  @Test
  void everyPackageIsALayer() {
    assertThat(MAIN.stream().map(ArchitectureTest::layer)).isSubsetOf(LAYERS.keySet());
  }

  @Test
  void eachLayerKnowsOnlyThoseBelowIt() {
    assertThat(
            arrows()
                .filter(
                    arrow ->
                        !LAYERS
                            .getOrDefault(layer(arrow.getOriginClass()), Set.of())
                            .contains(layer(arrow.getTargetClass())))
                .map(Dependency::getDescription))
        .isEmpty();
  }

  @Test
  void eachLayerKnowsAllThatAreDrawnBelowIt() {
    Map<String, Set<String>> used = new LinkedHashMap<>();
    LAYERS.keySet().forEach(layer -> used.put(layer, new TreeSet<>()));
    arrows()
        .forEach(
            arrow ->
                used.computeIfAbsent(layer(arrow.getOriginClass()), layer -> new TreeSet<>())
                    .add(layer(arrow.getTargetClass())));
    assertThat(used).isEqualTo(LAYERS);
  }

  /** Returns the dependencies that cross from one layer to another. */
  private static Stream<Dependency> arrows() {
    return MAIN.stream()
        .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
        .filter(arrow -> arrow.getTargetClass().getPackageName().startsWith(ROOT))
        .filter(arrow -> !layer(arrow.getOriginClass()).equals(layer(arrow.getTargetClass())));
  }

  @Test
  void aTypeBelowInternalIsPublicOnlyIfAnotherPackageNeedsIt() {
    assertThat(
            MAIN.stream()
                .filter(type -> type.getPackageName().startsWith(INTERNAL))
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                .filter(JavaClass::isTopLevelClass)
                .filter(ArchitectureTest::isOfItsPackageOnly)
                .map(JavaClass::getName))
        .isEmpty();
  }

  private static boolean isOfItsPackageOnly(JavaClass type) {
    return type.getDirectDependenciesToSelf().stream()
        .allMatch(arrow -> arrow.getOriginClass().getPackageName().equals(type.getPackageName()));
  }

  @Test
  void aPublicSignatureNamesOnlyThePublicApiAndTheJdk() {
    List<String> leaks = new ArrayList<>();
    PublicApi.types(MAIN)
        .filter(type -> type != Resilience4jRegistries.class)
        .forEach(
            type ->
                PublicApi.signatures(type)
                    .forEach(
                        (signature, named) ->
                            named.stream()
                                .filter(ArchitectureTest::isLeak)
                                .filter(leak -> !isOfItsFramework(type, leak))
                                .forEach(leak -> leaks.add(signature + ": " + leak.getName()))));
    assertThat(leaks)
        .containsExactly(
            "public dev.offmeter.LlmClient$Builder dev.offmeter.LlmClient$Builder"
                + ".httpClient(okhttp3.OkHttpClient): okhttp3.OkHttpClient");
  }

  /** Returns whether an integration names a type of what it integrates with. */
  private static boolean isOfItsFramework(Class<?> type, Class<?> named) {
    return FRAMEWORKS.entrySet().stream()
        .filter(framework -> type.getPackageName().equals(INTEGRATION + framework.getKey()))
        .flatMap(framework -> framework.getValue().stream())
        .anyMatch(prefix -> named.getName().startsWith(prefix));
  }

  /** Returns whether a caller would depend on something that is not this project's API. */
  private static boolean isLeak(Class<?> named) {
    String name = named.getName();
    return !named.isPrimitive()
        && !name.startsWith("java.")
        && !name.startsWith("javax.sql.")
        && !(name.startsWith(ROOT + ".") && PublicApi.isPublic(named));
  }

  @Test
  void onlyTheRegistriesOfResilience4jAreInThePublicApi() {
    Set<String> named = new TreeSet<>();
    PublicApi.signatures(Resilience4jRegistries.class)
        .values()
        .forEach(
            types ->
                types.stream()
                    .filter(ArchitectureTest::isLeak)
                    .map(Class::getName)
                    .forEach(named::add));
    assertThat(named)
        .containsExactly(
            "io.github.resilience4j.bulkhead.BulkheadRegistry",
            "io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry",
            "io.github.resilience4j.timelimiter.TimeLimiterRegistry");
  }

  @Test
  void theTestKitKnowsThePublicApiAndWhatItIsGivenToHandOver() {
    Set<String> known = new TreeSet<>();
    TEST_KIT.stream()
        .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
        .map(arrow -> arrow.getTargetClass().getBaseComponentType())
        .filter(type -> !type.isPrimitive() && !type.getPackageName().startsWith("java."))
        .filter(type -> !type.getPackageName().equals("dev.offmeter.testkit"))
        .forEach(type -> known.add(type.getPackageName()));
    assertThat(known)
        .containsExactly(
            "com.fasterxml.jackson.core",
            "com.fasterxml.jackson.databind",
            "com.fasterxml.jackson.databind.node",
            ROOT,
            "dev.offmeter.internal",
            "dev.offmeter.internal.http",
            "dev.offmeter.internal.time",
            "dev.offmeter.observe",
            "org.jspecify.annotations",
            "org.junit.jupiter.api.extension");
  }

  @Test
  void theTestKitNamesNothingInternalToItsUsers() {
    List<String> leaks = new ArrayList<>();
    PublicApi.types(TEST_KIT)
        .forEach(
            type ->
                PublicApi.signatures(type)
                    .forEach(
                        (signature, named) ->
                            named.stream()
                                .filter(ArchitectureTest::isLeak)
                                .forEach(leak -> leaks.add(signature + ": " + leak.getName()))));
    assertThat(leaks).isEmpty();
  }

  @Test
  void onlyTheExtensionOfTheTestKitKnowsJUnit() {
    noClasses()
        .that()
        .doNotHaveSimpleName("JUnitFakeLlm")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.junit..")
        .check(TEST_KIT);
  }

  @Test
  void onlyFailoverAndCircuitKnowResilience4j() {
    noClasses()
        .that()
        .resideOutsideOfPackages("dev.offmeter.internal.failover", "dev.offmeter.internal.circuit")
        .and()
        .doNotHaveFullyQualifiedName("dev.offmeter.observe.Resilience4jRegistries")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("io.github.resilience4j..")
        .check(MAIN);
  }

  @Test
  void onlyWireSchemaAndJsonKnowJackson() {
    noClasses()
        .that()
        .resideOutsideOfPackages(
            "dev.offmeter.internal.wire..",
            "dev.offmeter.internal.schema",
            "dev.offmeter.internal.json")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("com.fasterxml.jackson..")
        .check(MAIN);
  }

  @Test
  void onlyOneClassKnowsSnakeYaml() {
    noClasses()
        .that()
        .doNotHaveFullyQualifiedName("dev.offmeter.internal.config.litellm.YamlReader")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.yaml.snakeyaml..")
        .check(MAIN);
  }

  @Test
  void onlyWhatIsKeptInADatabaseKnowsJavaSql() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.offmeter.integration.jdbc")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("java.sql..", "javax.sql..")
        .check(MAIN);
  }

  @Test
  void onlyTheStoreInRedisKnowsLettuce() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.offmeter.integration.redis")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("io.lettuce..")
        .check(MAIN);
  }

  @Test
  void onlyIntegrationsKnowMicrometer() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.offmeter.integration..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("io.micrometer..")
        .check(MAIN);
  }

  @Test
  void thePublicApiHasTwentyOneTypesInTheRootAndThirtyBeside() {
    Set<String> root = new HashSet<>();
    Set<String> beside = new HashSet<>();
    PublicApi.types(MAIN)
        .filter(type -> type.getDeclaringClass() == null)
        .filter(type -> !PUBLIC_TYPES_OF_FRAMEWORKS.containsKey(type.getPackageName()))
        .forEach(type -> (type.getPackageName().equals(ROOT) ? root : beside).add(type.getName()));
    assertThat(root).hasSize(21);
    assertThat(beside).hasSize(30);
  }

  @Test
  void eachFrameworkHasFewPublicTypes() {
    Map<String, Integer> found = new TreeMap<>();
    PublicApi.types(MAIN)
        .filter(type -> type.getDeclaringClass() == null)
        .filter(type -> PUBLIC_TYPES_OF_FRAMEWORKS.containsKey(type.getPackageName()))
        .forEach(type -> found.merge(type.getPackageName(), 1, Integer::sum));
    assertThat(found).isEqualTo(PUBLIC_TYPES_OF_FRAMEWORKS);
  }

  @Test
  void classesAreFinalUnlessMadeToBeExtended() {
    Set<String> open = Set.of("dev.offmeter.LlmException");
    classes()
        .that()
        .areTopLevelClasses()
        .and()
        .areNotInterfaces()
        .and()
        .doNotHaveSimpleName("package-info")
        .and(notNamed(open))
        .should()
        .haveModifier(JavaModifier.FINAL)
        .check(MAIN);
  }

  private static DescribedPredicate<JavaClass> notNamed(Set<String> names) {
    return DescribedPredicate.describe("not in " + names, type -> !names.contains(type.getName()));
  }
}
