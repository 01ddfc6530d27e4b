// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A record class as a schema, and a reply as a record. */
class RecordSchemaTest {
  enum Unit {
    PIECE,
    KILO {
      @Override
      public String toString() {
        return "kg";
      }
    }
  }

  private record Item(String name, BigDecimal amount, Unit unit) {}

  private record Draft(
      String title, int count, List<Item> items, Optional<String> note, @Nullable LocalDate due) {
    Draft {
      if (count == 13) {
        throw new IllegalArgumentException("count must not be " + count + " in " + title);
      }
      if (count == 14) {
        throw new StackOverflowError(title);
      }
    }
  }

  record Whole(byte a, Byte b, short c, Short d, int e, Integer f, long g, Long h, BigInteger i) {}

  record Other(
      float a, Float b, double c, Double d, BigDecimal e, boolean f, Boolean g, LocalDate h) {}

  record Named(
      @JsonProperty("first_name") @JsonPropertyDescription("The \"given\" name") String first,
      @JsonProperty @JsonPropertyDescription("") String last,
      @JsonPropertyDescription("Where") Optional<Item> home) {}

  record Nullables(
      @Nullable Integer count,
      @Nullable Unit unit,
      @Nullable Item item,
      @Nullable List<@Nullable String> texts,
      Optional<Set<Unit>> units,
      List<Optional<Item>> items,
      @Nullable Optional<@Nullable LocalDate> date) {}

  @Retention(RetentionPolicy.RUNTIME)
  @Target({ElementType.METHOD, ElementType.PARAMETER})
  @interface OnMethods {
    /** An annotation as older libraries have it: on declarations alone. */
    @Retention(RetentionPolicy.RUNTIME)
    @Target({ElementType.METHOD, ElementType.PARAMETER})
    @interface Nullable {}
  }

  @interface OnFields {
    @Retention(RetentionPolicy.RUNTIME)
    @Target(ElementType.FIELD)
    @interface Nullable {}
  }

  @interface Anywhere {
    @Retention(RetentionPolicy.RUNTIME)
    @interface Nullable {}
  }

  record Declared(
      @OnMethods.Nullable String a, @OnFields.Nullable String b, @Anywhere.Nullable String c) {}

  record Sets(Set<Integer> whole, Set<Item> items) {}

  record One<V>(V value) {}

  private static AttemptException failure(RecordSchema<?> recordSchema, String text) {
    AttemptException failure =
        catchThrowableOfType(AttemptException.class, () -> recordSchema.read(text));
    assertThat(failure).as(text).isNotNull();
    assertThat(failure.kind()).isEqualTo(FailureKind.FORMAT_MISMATCH);
    assertThat(failure.status()).isZero();
    return failure;
  }

  private static String json(String single) {
    return single.replace('\'', '"');
  }

  private static final String ITEM =
      "{'type':'object','properties':{'name':{'type':'string'},'amount':{'type':'number'},"
          + "'unit':{'type':'string','enum':['PIECE','KILO']}},"
          + "'required':['name','amount','unit'],'additionalProperties':false}";

  @Test
  void writesTheSchemaInTheOrderOfTheRecord() {
    assertThat(RecordSchema.of(Draft.class).schema())
        .isEqualTo(
            json(
                "{'type':'object','properties':{'title':{'type':'string'},"
                    + "'count':{'type':'integer'},'items':{'type':'array','items':"
                    + ITEM
                    + "},'note':{'type':['string','null']},"
                    + "'due':{'type':['string','null'],'format':'date'}},"
                    + "'required':['title','count','items','note','due'],"
                    + "'additionalProperties':false}"))
        .isEqualTo(RecordSchema.of(Draft.class).schema());
  }

  @Test
  void writesEveryWholeNumberAlike() {
    assertThat(RecordSchema.of(Whole.class).schema())
        .isEqualTo(
            json(
                "{'type':'object','properties':{"
                    + Stream.of("abcdefghi".split(""))
                        .map(name -> "'" + name + "':{'type':'integer'}")
                        .collect(Collectors.joining(","))
                    + "},'required':['a','b','c','d','e','f','g','h','i'],"
                    + "'additionalProperties':false}"));
  }

  @Test
  void writesNumbersTruthAndDates() {
    assertThat(RecordSchema.of(Other.class).schema())
        .isEqualTo(
            json(
                "{'type':'object','properties':{'a':{'type':'number'},'b':{'type':'number'},"
                    + "'c':{'type':'number'},'d':{'type':'number'},'e':{'type':'number'},"
                    + "'f':{'type':'boolean'},'g':{'type':'boolean'},"
                    + "'h':{'type':'string','format':'date'}},"
                    + "'required':['a','b','c','d','e','f','g','h'],"
                    + "'additionalProperties':false}"));
  }

  @Test
  void renamesAndDescribesAsJacksonsAnnotationsSay() throws AttemptException {
    RecordSchema<Named> recordSchema = RecordSchema.of(Named.class);

    assertThat(recordSchema.schema())
        .isEqualTo(
            json(
                "{'type':'object','properties':{"
                    + "'first_name':{'type':'string','description':'The \\'given\\' name'},"
                    + "'last':{'type':'string'},"
                    + "'home':{'anyOf':["
                    + ITEM
                    + ",{'type':'null'}],'description':'Where'}},"
                    + "'required':['first_name','last','home'],'additionalProperties':false}"));
    assertThat(recordSchema.read(json("{'home':null,'last':'L','first_name':'F'}")))
        .isEqualTo(new Named("F", "L", Optional.empty()));
    assertThat(failure(recordSchema, json("{'first':'F','last':'L'}")))
        .hasMessage("$.first_name is missing");
  }

  @Test
  void writesWhatMayBeNullAsAUnion() {
    assertThat(RecordSchema.of(Nullables.class).schema())
        .isEqualTo(
            json(
                "{'type':'object','properties':{'count':{'type':['integer','null']},"
                    + "'unit':{'type':['string','null'],'enum':['PIECE','KILO',null]},"
                    + "'item':{'anyOf':["
                    + ITEM
                    + ",{'type':'null'}]},"
                    + "'texts':{'type':['array','null'],'items':{'type':['string','null']}},"
                    + "'units':{'type':['array','null'],"
                    + "'items':{'type':'string','enum':['PIECE','KILO']}},"
                    + "'items':{'type':'array','items':{'anyOf':["
                    + ITEM
                    + ",{'type':'null'}]}},"
                    + "'date':{'type':['string','null'],'format':'date'}},"
                    + "'required':['count','unit','item','texts','units','items','date'],"
                    + "'additionalProperties':false}"));
  }

  @Test
  void readsARecordOfEveryKindOfPart() throws AttemptException {
    String text =
        json(
            "{'title':'T','count':3.0,'note':'n','due':'2026-11-21','items':["
                + "{'unit':'KILO','amount':0.10,'name':''},"
                + "{'unit':'PIECE','amount':12345678901234567890.123,'name':'x\\n\\u00e9'}]}");

    Draft draft = RecordSchema.of(Draft.class).read(text);

    List<Item> items =
        List.of(
            new Item("", new BigDecimal("0.10"), Unit.KILO),
            new Item("x\n\u00e9", new BigDecimal("12345678901234567890.123"), Unit.PIECE));
    assertThat(draft)
        .isEqualTo(new Draft("T", 3, items, Optional.of("n"), LocalDate.of(2026, 11, 21)));
  }

  @Test
  void readsTheLeastAndTheMostOfEveryWholeNumber() throws AttemptException {
    String big = "9".repeat(999);
    String text =
        "{'a':-128,'b':127,'c':-32768,'d':32767,'e':-2147483648,'f':2147483647,"
            + "'g':-9223372036854775808,'h':9223372036854775807,'i':"
            + big
            + "}";

    assertThat(RecordSchema.of(Whole.class).read(json(text)))
        .isEqualTo(
            new Whole(
                Byte.MIN_VALUE,
                Byte.MAX_VALUE,
                Short.MIN_VALUE,
                Short.MAX_VALUE,
                Integer.MIN_VALUE,
                Integer.MAX_VALUE,
                Long.MIN_VALUE,
                Long.MAX_VALUE,
                new BigInteger(big)));
  }

  @Test
  void readsNumbersTruthAndDates() throws AttemptException {
    String text =
        "{'a':1.5,'b':-2,'c':1e300,'d':1e-400,'e':1E+3,'f':true,'g':false,'h':'2024-02-29'}";

    assertThat(RecordSchema.of(Other.class).read(json(text)))
        .isEqualTo(
            new Other(
                1.5f,
                -2f,
                1e300,
                0d,
                new BigDecimal("1E+3"),
                true,
                false,
                LocalDate.of(2024, 2, 29)));
  }

  @ParameterizedTest
  @CsvSource({"3, 3", "3.0, 3", "3e2, 300", "30e-1, 3", "-0, 0", "-0.0, 0", "0e-9, 0"})
  void aNumberWithoutAFractionIsWhole(String written, int read) throws AttemptException {
    record Count(int count) {}

    assertThat(RecordSchema.of(Count.class).read("{\"count\":" + written + "}"))
        .isEqualTo(new Count(read));
  }

  @Test
  void whatMayBeNullMayAlsoBeMissing() throws AttemptException {
    RecordSchema<Nullables> recordSchema = RecordSchema.of(Nullables.class);
    Nullables nothing =
        new Nullables(null, null, null, null, Optional.empty(), List.of(), Optional.empty());

    assertThat(recordSchema.read(json("{'items':[]}"))).isEqualTo(nothing);
    assertThat(
            recordSchema.read(
                json(
                    "{'count':null,'unit':null,'item':null,'texts':null,'units':null,'items':[],"
                        + "'date':null}")))
        .isEqualTo(nothing);
  }

  @Test
  void whatMayBeNullMayAlsoBeThere() throws AttemptException {
    Item item = new Item("n", BigDecimal.ONE, Unit.KILO);
    String written = "{'name':'n','amount':1,'unit':'KILO'}";

    assertThat(
            RecordSchema.of(Nullables.class)
                .read(
                    json(
                        "{'count':1,'unit':'PIECE','item':"
                            + written
                            + ",'texts':['a',null],'units':['KILO'],'items':[null,"
                            + written
                            + "],'date':'2026-01-02'}")))
        .isEqualTo(
            new Nullables(
                1,
                Unit.PIECE,
                item,
                Arrays.asList("a", null),
                Optional.of(Set.of(Unit.KILO)),
                List.of(Optional.empty(), Optional.of(item)),
                Optional.of(LocalDate.of(2026, 1, 2))));
  }

  @Test
  void anAnnotationNamedNullableCountsWhereverItStands() throws AttemptException {
    RecordSchema<Declared> recordSchema = RecordSchema.of(Declared.class);

    assertThat(recordSchema.schema())
        .startsWith(
            json(
                "{'type':'object','properties':{'a':{'type':['string','null']},"
                    + "'b':{'type':['string','null']},'c':{'type':['string','null']}}"));
    assertThat(recordSchema.read("{}")).isEqualTo(new Declared(null, null, null));
  }

  @Test
  void listsAndSetsAreUnmodifiableAndInTheOrderOfTheReply() throws AttemptException {
    Sets sets = RecordSchema.of(Sets.class).read(json("{'whole':[3,1,2],'items':[]}"));
    Draft draft = RecordSchema.of(Draft.class).read(json("{'title':'','count':1,'items':[]}"));

    assertThat(sets.whole()).containsExactly(3, 1, 2).isUnmodifiable();
    assertThat(draft.items()).isEmpty();
    assertThat(draft.items()).isUnmodifiable();
  }

  @Test
  void readsALocalRecordAndAPrivateOne() throws AttemptException {
    record Local(@JsonProperty("v") String value) {}

    assertThat(RecordSchema.of(Local.class).read("{\"v\":\"x\"}")).isEqualTo(new Local("x"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"v\":\"```\"}",
        "\n\t {\"v\":\"```\"} \r\n",
        "```json\n{\"v\":\"```\"}\n```",
        "```\n{\"v\":\"```\"}\n```",
        "```JSON\r\n{\"v\":\"```\"}\r\n```",
        "\n\n ```json {\"v\":\"```\"} ``` \n",
        "```{\"v\":\"```\"}```",
        "\u2003{\"v\":\"```\"}\u2003"
      })
  void readsTextInOneFenceOrNone(String text) throws AttemptException {
    record Value(String v) {}

    assertThat(RecordSchema.of(Value.class).read(text)).isEqualTo(new Value("```"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | has no JSON",
        "` \n ` | has no JSON",
        "Sorry, no. | is not JSON",
        "Here it is: {\"v\":\"x\"} | is not JSON",
        "{\"v\":\"x | is not JSON",
        "{\"v\":\"x\" | is not JSON",
        "{'v':'x'} | is not JSON",
        "{\"v\":\"x\",} | is not JSON",
        "{\"v\":NaN} | is not JSON",
        "{\"v\":01} | is not JSON",
        "{\"v\":/* */\"x\"} | is not JSON",
        "\uFEFF{\"v\":\"x\"} | is not JSON",
        "{\"v\":1e99999999999} | has a number out of range",
        "{\"v\":-1E+99999999999} | has a number out of range",
        "{\"v\":\"x\"} Hope it helps. | has text after its JSON",
        "{\"v\":\"x\"}{\"v\":\"x\"} | has text after its JSON",
        "{\"v\":\"x\"}} | has text after its JSON",
        "{\"v\":\"x\"} null | has text after its JSON",
        "{\"v\":\"x\",\"v\":\"x\"} | has a property twice",
        "{\"v\":{\"q\":1,\"q\":1}} | has a property twice",
        "{\"v\":\"x\",\"\\u0076\":\"x\"} | has a property twice"
      })
  void aTextThatIsNotOneJsonValueDoesNotFit(String text, String rule) {
    record Value(String v) {}

    assertThat(failure(RecordSchema.of(Value.class), text)).hasMessage("the answer " + rule);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "```",
        "`````",
        "``````",
        "```json```",
        "```json\n{\"v\":\"x\"}",
        "{\"v\":\"x\"}\n```",
        "````\n{\"v\":\"x\"}\n````",
        "```xml\n{\"v\":\"x\"}\n```",
        "Here:\n```json\n{\"v\":\"x\"}\n```",
        "```json\n{\"v\":\"x\"}\n```\nDone.",
        "```json\n```json\n{\"v\":\"x\"}\n```\n```",
        "```json\n{\"v\":\"x\"}\n```\n```json\n{\"v\":\"x\"}\n```"
      })
  void anyOtherFenceDoesNotFit(String text) {
    record Value(String v) {}

    assertThat(failure(RecordSchema.of(Value.class), text)).hasMessageStartingWith("the answer ");
  }

  @ParameterizedTest
  @ValueSource(strings = {"[", "{\"v\":"})
  void noNestingIsTooDeep(String open) {
    record Value(String v) {}

    assertThat(failure(RecordSchema.of(Value.class), open.repeat(100_000)))
        .hasMessageStartingWith("the answer is nested too deeply");
  }

  @Test
  void noNumberIsTooLong() {
    record Value(BigInteger v) {}

    assertThat(failure(RecordSchema.of(Value.class), "{\"v\":" + "9".repeat(1001) + "}"))
        .hasMessageContaining("too long");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "null | $ must not be null",
        "[] | $ must be an object",
        "'x' | $ must be an object",
        "7 | $ must be an object",
        "{} | $.title is missing",
        "{'title':'T'} | $.count is missing",
        "{'title':'T','count':1} | $.items is missing",
        "{'title':null} | $.title must not be null",
        "{'title':7} | $.title must be a string",
        "{'title':true} | $.title must be a string",
        "{'title':['T']} | $.title must be a string",
        "{'title':'T','count':1,'items':[],'x':1} | $ has a property that was not asked for",
        "{'title':'T','count':1,'items':[],'Note':1} | $ has a property that was not asked for",
        "{'title':'T','count':1,'items':null} | $.items must not be null",
        "{'title':'T','count':1,'items':{}} | $.items must be an array",
        "{'title':'T','count':1,'items':[null]} | $.items[0] must not be null",
        "{'title':'T','count':1,'items':['x']} | $.items[0] must be an object",
        "{'title':'T','count':1,'items':[],'note':7} | $.note must be a string",
        "{'title':'T','count':1,'items':[],'due':''} | $.due must be a date such as 2026-11-21",
        "{'title':'T','count':13,'items':[]} "
            + "| $: the constructor of Draft threw java.lang.IllegalArgumentException"
      })
  void aReplyThatDoesNotFitIsNamedByPlaceAndRule(String reply, String message) {
    assertThat(failure(RecordSchema.of(Draft.class), json(reply))).hasMessage(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'name':'n','amount':'42','unit':'KILO' "
            + "| .amount must be a number in the range of its type",
        "'name':'n','amount':true,'unit':'KILO' "
            + "| .amount must be a number in the range of its type",
        "'name':'n','amount':1e1001,'unit':'KILO' "
            + "| .amount must be a number in the range of its type",
        "'name':'n','amount':1e-1001,'unit':'KILO' "
            + "| .amount must be a number in the range of its type",
        "'name':'n','amount':1e999999999,'unit':'KILO' "
            + "| .amount must be a number in the range of its type",
        "'name':'n','amount':1,'unit':'kilo' | .unit must be one of PIECE, KILO",
        "'name':'n','amount':1,'unit':'kg' | .unit must be one of PIECE, KILO",
        "'name':'n','amount':1,'unit':0 | .unit must be one of PIECE, KILO",
        "'name':'n','amount':1,'unit':null | .unit must not be null",
        "'name':'n','amount':1 | .unit is missing",
        "'name':'n','amount':1,'unit':'KILO','x':{} | ` has a property that was not asked for`"
      })
  void aMismatchInAListIsNamedByItsIndex(String item, String message) {
    String good = "{'name':'n','amount':1,'unit':'KILO'}";
    String reply = "{'title':'T','count':1,'items':[" + good + "," + good + ",{" + item + "}]}";

    assertThat(failure(RecordSchema.of(Draft.class), json(reply)))
        .hasMessage("$.items[2]" + message);
  }

  @ParameterizedTest
  @CsvSource({
    "a, 128",
    "a, -129",
    "b, 1.5",
    "b, 1e999999999",
    "c, 32768",
    "d, -32769",
    "d, '\"1\"'",
    "e, 2147483648",
    "e, 4.2",
    "e, true",
    "f, -2147483649",
    "f, 1e-999999999",
    "g, 9223372036854775808",
    "g, 0.1",
    "h, -9223372036854775809",
    "h, []",
    "i, 1.1",
    "i, 1e1001",
    "i, 1e999999999",
    "i, '\"9\"'"
  })
  void aNumberOutsideItsTypeDoesNotFit(String name, String written) {
    String reply =
        Stream.of("abcdefghi".split(""))
            .map(each -> "\"" + each + "\":" + (each.equals(name) ? written : "1"))
            .collect(Collectors.joining(",", "{", "}"));

    assertThat(failure(RecordSchema.of(Whole.class), reply))
        .hasMessageStartingWith("$." + name + " must be a whole number");
  }

  @Test
  void theRangeOfAWholeNumberIsInTheRule() {
    assertThat(failure(RecordSchema.of(Whole.class), "{\"a\":1000}"))
        .hasMessage("$.a must be a whole number from -128 to 127");
  }

  @ParameterizedTest
  @CsvSource({
    "a, 3.5e38, a number in the range of its type",
    "b, -1e39, a number in the range of its type",
    "c, 1.8e308, a number in the range of its type",
    "d, '\"1\"', a number in the range of its type",
    "d, '\"NaN\"', a number in the range of its type",
    "e, false, a number in the range of its type",
    "f, 1, true or false",
    "f, '\"true\"', true or false",
    "g, 0, true or false",
    "h, '\"2026-02-30\"', a date such as 2026-11-21",
    "h, '\"21.11.2026\"', a date such as 2026-11-21",
    "h, '\"2026-11-21T00:00:00Z\"', a date such as 2026-11-21",
    "h, 20261121, a date such as 2026-11-21"
  })
  void aValueOfAnotherTypeDoesNotFit(String name, String written, String rule) {
    Map<String, String> good = Map.of("f", "true", "g", "true", "h", "\"2026-11-21\"");
    String reply =
        Stream.of("abcdefgh".split(""))
            .map(
                each ->
                    "\""
                        + each
                        + "\":"
                        + (each.equals(name) ? written : good.getOrDefault(each, "1")))
            .collect(Collectors.joining(",", "{", "}"));

    assertThat(failure(RecordSchema.of(Other.class), reply))
        .hasMessage("$." + name + " must be " + rule);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'whole':[1,2,1],'items':[]} | $.whole must not have a value twice",
        "{'whole':[1,1.0],'items':[]} | $.whole must not have a value twice",
        "{'whole':[],'items':[{'name':'n','amount':1,'unit':'KILO'},"
            + "{'unit':'KILO','name':'n','amount':1}]} | $.items must not have a value twice"
      })
  void aSetWithAValueTwiceDoesNotFit(String reply, String message) {
    assertThat(failure(RecordSchema.of(Sets.class), json(reply))).hasMessage(message);
  }

  @Test
  void aConstructorOfAPartIsNamedWithItsPlace() {
    record Part(int value) {
      Part {
        if (value < 0) {
          throw new IllegalStateException("negative: " + value);
        }
      }
    }
    record Parts(List<Part> parts) {}

    AttemptException failure =
        failure(RecordSchema.of(Parts.class), json("{'parts':[{'value':1},{'value':-5}]}"));

    assertThat(failure)
        .hasMessage("$.parts[1]: the constructor of Part threw java.lang.IllegalStateException")
        .hasNoCause();
  }

  @Test
  void anErrorOfTheConstructorPassesThrough() {
    assertThatThrownBy(
            () -> RecordSchema.of(Draft.class).read(json("{'title':'T','count':14,'items':[]}")))
        .isInstanceOf(StackOverflowError.class)
        .hasMessage("T");
  }

  record AMap(Map<String, String> map) {}

  record AnArray(String[] array) {}

  record AnObject(Object any) {}

  record AChar(char letter) {}

  record AClass(StringBuilder text) {}

  record ACollection(Collection<String> all) {}

  @SuppressWarnings("rawtypes")
  record RawList(List all) {}

  @SuppressWarnings("rawtypes")
  record RawRecord(One one) {}

  @SuppressWarnings("rawtypes")
  record RawOptional(Optional maybe) {}

  record Wildcard(List<?> all) {}

  record Bounded(List<? extends Item> all) {}

  record Generic(One<String> one) {}

  record Twice(Optional<Optional<String>> maybe) {}

  record Tree(String name, List<Tree> children) {}

  record Ping(Optional<Pong> pong) {}

  record Pong(Ping ping) {}

  record Primitive(@Nullable int count) {}

  enum None {}

  record NoConstant(None none) {}

  record Same(String a, @JsonProperty("a") String b) {}

  record Deep(List<List<List<List<List<List<List<List<List<List<String>>>>>>>>>> deep) {}

  static Stream<Arguments> unsupported() {
    return Stream.of(
        Arguments.of(AMap.class, "AMap.map is of type java.util.Map<java.lang.String, "),
        Arguments.of(AnArray.class, "AnArray.array is of type java.lang.String[], which is not"),
        Arguments.of(AnObject.class, "AnObject.any is of type java.lang.Object, which is not"),
        Arguments.of(AChar.class, "AChar.letter is of type char, which is not supported"),
        Arguments.of(AClass.class, "AClass.text is of type java.lang.StringBuilder, which"),
        Arguments.of(ACollection.class, "ACollection.all is of type java.util.Collection<"),
        Arguments.of(RawList.class, "RawList.all is of type java.util.List, which is not"),
        Arguments.of(
            RawRecord.class,
            "RawRecord.one is of type dev.offmeter.internal.schema.RecordSchemaTest$One,"),
        Arguments.of(RawOptional.class, "RawOptional.maybe is of type java.util.Optional, which"),
        Arguments.of(Wildcard.class, "Wildcard.all is of type ?, which is not supported"),
        Arguments.of(Bounded.class, "Bounded.all is of type ? extends dev.offmeter."),
        Arguments.of(
            Generic.class,
            "Generic.one is of type dev.offmeter.internal.schema.RecordSchemaTest$One<"),
        Arguments.of(Twice.class, "Twice.maybe is of type java.util.Optional<java.util.Optional<"),
        Arguments.of(
            Tree.class,
            "Tree.children is of type dev.offmeter.internal.schema.RecordSchemaTest$Tree, "),
        Arguments.of(
            Ping.class,
            "Pong.ping is of type dev.offmeter.internal.schema.RecordSchemaTest$Ping, which "),
        Arguments.of(Primitive.class, "Primitive.count is of type int, which cannot be null"),
        Arguments.of(NoConstant.class, "NoConstant.none is of type dev.offmeter."),
        Arguments.of(Same.class, "Same.b has the name of another property, 'a'"),
        Arguments.of(Deep.class, "Deep.deep is nested deeper than 10 levels"),
        Arguments.of(One.class, "type must not have type parameters, was dev.offmeter."),
        Arguments.of(String.class, "type must be a record, was java.lang.String"),
        Arguments.of(Record.class, "type must be a record, was java.lang.Record"),
        Arguments.of(int.class, "type must be a record, was int"),
        Arguments.of(Item[].class, "type must be a record, was dev.offmeter."));
  }

  @ParameterizedTest
  @MethodSource
  void unsupported(Class<?> type, String message) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RecordSchema.of(type))
        .withMessageStartingWith(message);
  }

  @Test
  void aRecordWithoutComponentsAsksForNothing() {
    record Empty() {}

    assertThatIllegalArgumentException()
        .isThrownBy(() -> RecordSchema.of(Empty.class))
        .withMessageContaining("Empty must have a component");
  }

  @Test
  void aRecordMayStandInAnotherTwice() throws AttemptException {
    record Pair(Item left, Item right) {}
    String item = "{'name':'n','amount':1,'unit':'KILO'}";
    Pair pair =
        RecordSchema.of(Pair.class).read(json("{'left':" + item + ",'right':" + item + "}"));

    assertThat(pair.left()).isEqualTo(pair.right());
  }

  @Test
  void aSchemaThatGrowsWithoutBoundIsRejected() {
    record A(String a, String b, String c, String d) {}
    record B(A a, A b, A c, A d) {}
    record C(B a, B b, B c, B d) {}
    record D(C a, C b, C c, C d) {}
    record E(D a, D b, D c, D d) {}

    assertThat(RecordSchema.of(D.class).schema()).hasSizeGreaterThan(1000);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RecordSchema.of(E.class))
        .withMessageEndingWith("is one of more than 1000 properties");
  }

  @Test
  void threadsMayShareIt() {
    RecordSchema<Draft> recordSchema = RecordSchema.of(Draft.class);

    List<Integer> counts =
        IntStream.range(100, 1100)
            .parallel()
            .mapToObj(count -> read(recordSchema, "{'title':'T','count':" + count + ",'items':[]}"))
            .map(Draft::count)
            .toList();

    assertThat(counts).isEqualTo(IntStream.range(100, 1100).boxed().toList());
  }

  private static Draft read(RecordSchema<Draft> recordSchema, String text) {
    try {
      return recordSchema.read(json(text));
    } catch (AttemptException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void rejectsNull() {
    assertThatNullPointerException().isThrownBy(() -> RecordSchema.of(null)).withMessage("type");
    assertThatNullPointerException()
        .isThrownBy(() -> RecordSchema.of(Item.class).read(null))
        .withMessage("text");
  }
}
