// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.LlmClient;
import dev.offmeter.internal.config.Setting;
import dev.offmeter.internal.config.Setting.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.beans.BeanUtils;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.StandardEnvironment;

/**
 * What development environments complete, against the one list of settings. A setting that is new
 * there fails these tests until {@link OffmeterProperties} and the metadata have it.
 */
class OffmeterMetadataTest {
  private static final String OWN = "offmeter.";

  private static final Map<Kind, String> TYPES =
      Map.of(
          Kind.TEXT, "java.lang.String",
          Kind.DURATION, "java.time.Duration",
          Kind.INTEGER, "java.lang.Integer",
          Kind.NUMBER, "java.math.BigDecimal",
          Kind.FLAG, "java.lang.Boolean",
          Kind.LIST, "java.util.List<java.lang.String>");

  private static JsonNode metadata() {
    try {
      return new ObjectMapper()
          .readTree(
              Files.readString(
                  Path.of("src/main/resources/META-INF/spring-configuration-metadata.json")));
    } catch (java.io.IOException e) {
      throw new AssertionError(e);
    }
  }

  private static Stream<JsonNode> properties() {
    return StreamSupport.stream(metadata().get("properties").spliterator(), false);
  }

  private static Map<String, JsonNode> own() {
    Map<String, JsonNode> own = new TreeMap<>();
    properties()
        .filter(property -> property.get("name").asText().startsWith(OWN))
        .forEach(
            property -> own.put(property.get("name").asText().substring(OWN.length()), property));
    return own;
  }

  private static Map<String, String> types(List<Setting> settings) {
    Map<String, String> types = new TreeMap<>();
    settings.forEach(setting -> types.put(setting.property(), TYPES.get(setting.kind())));
    return types;
  }

  /** Returns the properties of a bean as an editor sees them: by setter and its type. */
  private static Map<String, String> types(Class<?> bean) {
    Map<String, String> types = new TreeMap<>();
    for (var property : BeanUtils.getPropertyDescriptors(bean)) {
      if (property.getWriteMethod() != null) {
        types.put(
            property.getName().replaceAll("([A-Z])", "-$1").toLowerCase(java.util.Locale.ROOT),
            property.getWriteMethod().getGenericParameterTypes()[0].getTypeName());
      }
    }
    return types;
  }

  @Test
  void everySettingOfAnEndpointIsAPropertyOfItsType() {
    assertThat(types(OffmeterProperties.Endpoint.class)).isEqualTo(types(Setting.ENDPOINT));
  }

  @Test
  void everySettingOfABudgetIsAPropertyOfItsType() {
    assertThat(types(OffmeterProperties.Budget.class)).isEqualTo(types(Setting.BUDGET));
  }

  @Test
  void everySettingOfTheClientIsAPropertyOfItsType() {
    assertThat(types(OffmeterProperties.class)).containsAllEntriesOf(types(Setting.CLIENT));
    Map<String, JsonNode> own = own();
    types(Setting.CLIENT)
        .forEach((name, type) -> assertThat(own.get(name).get("type").asText()).isEqualTo(type));
  }

  @Test
  void theMetadataHasEveryPropertyOfTheBean() {
    assertThat(own().keySet()).containsAll(types(OffmeterProperties.class).keySet());
  }

  @Test
  void aPropertyThatIsNoSettingIsNotTakenForAWrongOne() {
    Map<String, Object> others = new HashMap<>();
    own()
        .forEach(
            (name, property) -> {
              boolean list = name.equals("endpoints") || name.equals("budgets");
              if (!list && !types(Setting.CLIENT).containsKey(name)) {
                others.put(OWN + name, "x");
              }
            });
    StandardEnvironment environment = new StandardEnvironment();
    environment.getPropertySources().addFirst(new MapPropertySource("test", others));

    assertThat(others).isNotEmpty();
    assertThat(OffmeterSettings.read(environment).variables().keySet())
        .noneMatch(name -> name.startsWith("OFFMETER_"));
  }

  static Stream<Setting> valuesWithARule() {
    return Setting.ENDPOINT.stream()
        .filter(setting -> setting.kind() != Kind.TEXT && setting.kind() != Kind.LIST)
        // Read with the others of its price, which have to be there.
        .filter(setting -> !setting.property().matches("price-.*|upkeep-.*"));
  }

  /** The kind that the list of settings states is the one by which the value is read. */
  @ParameterizedTest
  @MethodSource("valuesWithARule")
  void aSettingIsReadByItsKind(Setting setting) {
    Throwable wrong =
        catchThrowable(
            () ->
                LlmClient.fromEnv(
                    Map.of(
                        "OFFMETER_ENDPOINTS_0_URL",
                        "http://localhost:1",
                        "OFFMETER_ENDPOINTS_0_" + setting.word(),
                        "x")));

    assertThat(wrong)
        .hasMessageContaining(
            switch (setting.kind()) {
              case DURATION -> "must be a time span";
              case INTEGER -> "must be a whole number";
              case NUMBER -> "must be a finite number";
              default -> "must be true or false";
            });
  }

  @Test
  void everyDescriptionIsASentence() {
    List<String> wrong = new ArrayList<>();
    properties()
        .map(property -> property.get("description").asText())
        .filter(text -> !text.matches("(?!The |A |An )[A-Z].*\\."))
        .forEach(wrong::add);

    assertThat(wrong).isEmpty();
  }

  @Test
  void aDefaultIsTheOneOfTheDocumentation() throws Exception {
    String page = Files.readString(Path.of("docs/configuration.md"));
    own()
        .forEach(
            (name, property) -> {
              String word = "OFFMETER_" + name.replace("-", "").toUpperCase(java.util.Locale.ROOT);
              if (property.has("defaultValue") && page.contains("| `" + word + "` |")) {
                assertThat(page)
                    .contains("| `" + word + "` | " + property.get("defaultValue").asText() + " |");
              }
            });
    assertThat(own().get("max-tokens-at-most").get("defaultValue").asInt()).isEqualTo(8192);
  }

  @Test
  void theHintsAreTheValuesThatAreAccepted() {
    Map<String, List<String>> hints = new HashMap<>();
    metadata()
        .get("hints")
        .forEach(
            hint -> {
              List<String> values = new ArrayList<>();
              hint.get("values").forEach(value -> values.add(value.get("value").asText()));
              hints.put(hint.get("name").asText(), values);
            });

    assertThat(rule("OFFMETER_ENDPOINTS_0_TYPE"))
        .contains("one of " + hints.get("offmeter.endpoints[].type"));
    assertThat(rule("OFFMETER_ENDPOINTS_0_LOCALITY"))
        .contains(String.join(" or ", hints.get("offmeter.endpoints[].locality")));
    assertThat(rule("OFFMETER_ENDPOINTS_0_CAPABILITIES"))
        .contains("some of " + String.join(", ", hints.get("offmeter.endpoints[].capabilities")));
    assertThat(rule("OFFMETER_BUDGETS_0_EXCEEDED")).contains("skip, reject or warn");
    assertThat(hints.get("offmeter.budgets[].exceeded")).containsExactly("skip", "reject", "warn");
  }

  private static String rule(String variable) {
    Map<String, String> variables = new HashMap<>();
    variables.put("OFFMETER_ENDPOINTS_0_URL", "http://localhost:1");
    if (variable.contains("BUDGETS")) {
      variables.put("OFFMETER_BUDGETS_0_LIMIT", "5 calls");
    }
    variables.put(variable, "x");
    return String.valueOf(catchThrowable(() -> LlmClient.fromEnv(variables)).getMessage());
  }
}
