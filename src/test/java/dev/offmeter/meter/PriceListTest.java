// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PriceListTest {
  private static final PriceList.Model FLASH = new PriceList.Model("gemini", "gemini-2.5-flash");
  private static final PriceList.Model MINI = new PriceList.Model("openai", "gpt-4o-mini");

  @TempDir private Path folder;

  private Path file(String json) throws IOException {
    return Files.writeString(folder.resolve("prices.json"), json);
  }

  @Test
  void liteLlmsPricesArePerToken() throws IOException {
    Path file =
        file(
            """
            {"sample_spec": {"input_cost_per_token": "a number", "mode": "chat"},
             "gemini/gemini-2.5-flash": {"input_cost_per_token": 3e-07, "max_tokens": 65535,
               "output_cost_per_token": 2.5e-06, "cache_read_input_token_cost": 7.5e-08,
               "output_cost_per_reasoning_token": 2.6e-06, "litellm_provider": "gemini"},
             "gpt-4o-mini": {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07}}
            """);

    Map<PriceList.Model, Price> prices = PriceList.liteLlm(file).find(Set.of(FLASH, MINI));

    assertThat(prices.get(FLASH))
        .isEqualTo(
            Price.perMillionTokens("USD", "0.3", "2.5")
                .cachedInput("0.075")
                .thinking("2.6")
                .source("prices.json"));
    assertThat(prices.get(MINI)).hasToString("USD input 0.15 per million, output 0.60 per million");
  }

  @Test
  void liteLlmsPriceOfLongRequestsIsRead() throws IOException {
    Path file =
        file(
            """
            {"gpt-4o-mini": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
              "input_cost_per_token_above_200k_tokens": 2e-06,
              "output_cost_per_token_above_200k_tokens": 4e-06}}
            """);

    Price price = PriceList.liteLlm(file).find(Set.of(MINI)).get(MINI);

    assertThat(price.forInput(200_000)).isEqualTo(price);
    assertThat(price.forInput(200_001))
        .hasToString("USD input 2.00 per million, output 4.00 per million");
  }

  @Test
  void modelsDevsPricesArePerMillionByProvider() throws IOException {
    Path file =
        file(
            """
            {"other": {"models": {"gemini-2.5-flash": {"cost": {"input": 9, "output": 9}}}},
             "google": {"id": "google", "models": {"gemini-2.5-flash":
               {"cost": {"input": 0.3, "output": 2.5, "cache_read": 0.075}}}}}
            """);

    assertThat(PriceList.modelsDev(file).find(Set.of(FLASH)).get(FLASH))
        .isEqualTo(
            Price.perMillionTokens("USD", "0.3", "2.5").cachedInput("0.075").source("prices.json"));
  }

  @Test
  void aSimilarNameHasNoPrice() throws IOException {
    Path file =
        file(
            """
            {"gpt-4o-mini-2024-07-18": {"input_cost_per_token": 1, "output_cost_per_token": 1},
             "azure/gpt-4o-mini": {"input_cost_per_token": 1, "output_cost_per_token": 1},
             "GPT-4o-mini": {"input_cost_per_token": 1, "output_cost_per_token": 1}}
            """);

    assertThat(PriceList.liteLlm(file).find(Set.of(MINI))).isEmpty();
  }

  @Test
  void anEntryWithoutAPriceOfTextHasNone() throws IOException {
    Path file = file("{\"gpt-4o-mini\": {\"input_cost_per_image\": 1, \"mode\": \"image\"}}");

    assertThat(PriceList.liteLlm(file).find(Set.of(MINI))).isEmpty();
  }

  @Test
  void aTruncatedFileIsRejected() throws IOException {
    Path file =
        file("{\"gpt-4o-mini\": {\"input_cost_per_token\": 1, \"output_cost_per_token\": 1}");

    assertThatThrownBy(() -> PriceList.liteLlm(file).find(Set.of(MINI)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("prices in " + file + " must be JSON to its end: ");
  }

  @Test
  void aTextInPlaceOfANumberIsRejected() throws IOException {
    Path file =
        file(
            "{\"gpt-4o-mini\": {\"input_cost_per_token\": \"0.1\", \"output_cost_per_token\": 1}}");

    assertThatThrownBy(() -> PriceList.liteLlm(file).find(Set.of(MINI)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "prices in "
                + file
                + " must have a price in [gpt-4o-mini]:"
                + " input_cost_per_token must be a number, was \"0.1\"");
  }

  @Test
  void aPriceBelowZeroIsRejected() throws IOException {
    Path file =
        file("{\"gpt-4o-mini\": {\"input_cost_per_token\": -1, \"output_cost_per_token\": 1}}");

    assertThatThrownBy(() -> PriceList.liteLlm(file).find(Set.of(MINI)))
        .hasMessageContaining("input_cost_per_token must be at least 0, was -1");
  }

  @Test
  void aModelThatStandsTwiceIsRejected() throws IOException {
    String entry = "\"gpt-4o-mini\": {\"input_cost_per_token\": 1, \"output_cost_per_token\": 1}";
    Path file = file("{" + entry + ", " + entry + "}");

    assertThatThrownBy(() -> PriceList.liteLlm(file).find(Set.of(MINI)))
        .hasMessage("prices in " + file + " must have [gpt-4o-mini] once, has it twice");
  }

  @Test
  void aFileThatIsNoObjectIsRejected() throws IOException {
    Path file = file("[]");

    assertThatThrownBy(() -> PriceList.modelsDev(file).find(Set.of(FLASH)))
        .hasMessage("prices in " + file + " must be a JSON object");
  }

  @Test
  void aMissingFileIsRejectedAtOnce() {
    Path file = folder.resolve("none.json");

    assertThatThrownBy(() -> PriceList.liteLlm(file))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("prices must be a file that can be read, was " + file);
  }

  @Test
  void aLargeFileIsReadWithoutKeepingIt() throws IOException {
    Path file = folder.resolve("large.json");
    String entry = "{\"input_cost_per_token\": 1e-6, \"output_cost_per_token\": 1e-6,\"about\":\"";
    try (Writer out = Files.newBufferedWriter(file)) {
      out.write("{");
      for (int i = 0; i < 60_000; i++) {
        out.write("\"model-" + i + "\": " + entry + "a".repeat(900) + "\"},");
      }
      out.write("\"gpt-4o-mini\": " + entry + "\"}}");
    }

    assertThat(Files.size(file)).isGreaterThan(55_000_000);
    assertThat(PriceList.liteLlm(file).find(Set.of(MINI))).containsOnlyKeys(MINI);
  }
}
