// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.request.json.JsonAnyOfSchema;
import dev.langchain4j.model.chat.request.json.JsonArraySchema;
import dev.langchain4j.model.chat.request.json.JsonBooleanSchema;
import dev.langchain4j.model.chat.request.json.JsonEnumSchema;
import dev.langchain4j.model.chat.request.json.JsonIntegerSchema;
import dev.langchain4j.model.chat.request.json.JsonNullSchema;
import dev.langchain4j.model.chat.request.json.JsonNumberSchema;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonRawSchema;
import dev.langchain4j.model.chat.request.json.JsonReferenceSchema;
import dev.langchain4j.model.chat.request.json.JsonStringSchema;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Schemas of LangChain4j as JSON. */
class JsonSchemaTextTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  /** An object with every element that there is. */
  private static final JsonObjectSchema EVERYTHING =
      JsonObjectSchema.builder()
          .description("a \"quoted\" \\ text,\nof two lines")
          .addProperty("string", JsonStringSchema.builder().description("words").build())
          .addProperty("integer", new JsonIntegerSchema())
          .addProperty("number", new JsonNumberSchema())
          .addProperty("boolean", new JsonBooleanSchema())
          .addProperty("enum", JsonEnumSchema.builder().enumValues("A", "B").build())
          .addProperty("array", JsonArraySchema.builder().items(new JsonStringSchema()).build())
          .addProperty(
              "any",
              JsonAnyOfSchema.builder()
                  .description("either")
                  .anyOf(new JsonStringSchema(), new JsonNullSchema())
                  .build())
          .addProperty("ref", JsonReferenceSchema.builder().reference("node").build())
          .addProperty("raw", JsonRawSchema.from("{\"type\":\"string\",\"format\":\"date\"}"))
          .addProperty(
              "object", JsonObjectSchema.builder().addStringProperty("a").required("a").build())
          .required("string", "enum")
          .definitions(Map.of("node", JsonObjectSchema.builder().addStringProperty("name").build()))
          .build();

  private static JsonNode json(String text) throws Exception {
    return MAPPER.readTree(text);
  }

  @Test
  void aToolsSchemaIsThatOfLangChain4jItself() throws Exception {
    JsonNode theirs = MAPPER.valueToTree(JsonSchemaElementUtils.toMap(EVERYTHING, false));

    assertThat(json(JsonSchemaText.asGiven(EVERYTHING))).isEqualTo(theirs);
  }

  @Test
  void whetherAToolTakesOtherPropertiesIsKept() throws Exception {
    JsonObjectSchema open = JsonObjectSchema.builder().additionalProperties(true).build();

    assertThat(json(JsonSchemaText.asGiven(open)).path("additionalProperties").booleanValue())
        .isTrue();
    assertThat(json(JsonSchemaText.asGiven(EVERYTHING)).has("additionalProperties")).isFalse();
  }

  @Test
  void anAnswerHasAllPropertiesAndNoOther() throws Exception {
    JsonNode schema = json(JsonSchemaText.strict(EVERYTHING));

    assertThat(schema.path("additionalProperties").isBoolean()).isTrue();
    assertThat(schema.path("additionalProperties").booleanValue()).isFalse();
    assertThat(schema.path("required")).hasSize(EVERYTHING.properties().size());
    assertThat(schema.at("/properties/object/anyOf/0/required")).hasToString("[\"a\"]");
    assertThat(schema.at("/$defs/node/required")).hasToString("[\"name\"]");
  }

  @Test
  void whatIsOptionalInAnAnswerMayBeNull() throws Exception {
    JsonNode properties = json(JsonSchemaText.strict(EVERYTHING)).path("properties");

    assertThat(properties.at("/string/type")).hasToString("\"string\"");
    assertThat(properties.at("/integer/type")).hasToString("[\"integer\",\"null\"]");
    assertThat(properties.path("enum")).hasToString("{\"type\":\"string\",\"enum\":[\"A\",\"B\"]}");
    assertThat(properties.at("/ref/anyOf/0/$ref").asText()).isEqualTo("#/$defs/node");
    assertThat(properties.at("/ref/anyOf/1/type").asText()).isEqualTo("null");
    assertThat(properties.at("/raw/anyOf/0/format").asText()).isEqualTo("date");
  }

  @Test
  void anOptionalEnumHasNullAmongItsValues() throws Exception {
    JsonObjectSchema optional =
        JsonObjectSchema.builder().addEnumProperty("e", List.of("A")).build();

    assertThat(json(JsonSchemaText.strict(optional)).at("/properties/e"))
        .hasToString("{\"type\":[\"string\",\"null\"],\"enum\":[\"A\",null]}");
  }

  @Test
  void anObjectThatMayHaveAnythingStaysOpen() throws Exception {
    JsonObjectSchema map = JsonObjectSchema.builder().build();
    JsonObjectSchema open =
        JsonObjectSchema.builder().addStringProperty("a").additionalProperties(true).build();

    assertThat(json(JsonSchemaText.strict(map)).has("additionalProperties")).isFalse();
    assertThat(json(JsonSchemaText.strict(open)).path("required")).isEmpty();
    assertThat(json(JsonSchemaText.strict(open)).at("/properties/a/type").asText())
        .isEqualTo("string");
  }
}
