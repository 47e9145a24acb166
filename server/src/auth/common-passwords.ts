/** The commonest of the passwords that are long enough, in lower case. */
export const commonPasswords: ReadonlySet<string> = new Set(
  `
  0000000000 0123456789 0123456789a 0987654321 1111111111 1122334455 112233445566 1212121212
  1231231231 123123123123 1234512345 1234567890 12345678901 123456789012 1234567890a 1234567891
  12345678910 123456789a 123456789q 1472583690 147258369a 1597534862 1q2w3e4r5t 1qaz2wsx3edc
  1qazxsw23edc 5555555555 6666666666 741852963a 7777777777 8888888888 9638527410 9876543210
  9999999999 a1b2c3d4e5 aa12345678 aaaaaaaaaa abc1234567 abc12345678 abc123abc123 abcd123456
  abcd1234567 abcde12345 abcdef1234 abcdefghij access1234 admin12345 admin123456 admin1234567
  admin@1234 adminadmin administrator arsenal123 asdf1234567 asdfasdfasdf asdfghjkl1 asdfghjkl123
  asdfghjkl; autumn2024 baseball12 baseball123 basketball batman12345 blink182182 changeme1!
  changeme123 charlie123 chelsea123 computer12 computer123 correcthorsebatterystaple december25
  default123 dragon1234 facebook12 facebook123 football12 football123 fuelcell123 google12345
  guest12345 ilovemyself iloveyou1! iloveyou12 iloveyou123 instagram1 internet12 internet123
  jennifer12 jordan12345 letmein123 letmein1234 liverpool1 liverpool123 login12345 manchester
  master1234 michael123 microbial1 minecraft1 minecraft123 monkey1234 monkey12345 mypassword
  mypassword1 newpassword p@ssw0rd123 p@ssword123 passw0rd123 password01 password1! password11
  password12 password123 password123! password1234 password12345 passwordpassword pokemon123
  pokemon1234 princess12 princess123 q1w2e3r4t5 q1w2e3r4t5y6 qazwsx1234 qazwsxedc123 qwaszx1234
  qwerty123! qwerty1234 qwerty12345 qwerty123456 qwertyuiop qwertyuiop123 raspberry1 raspberry123
  raspberrypi root123456 rootroot12 samsung123 secret1234 secret12345 secretsecret september1
  shadow1234 soilsensor soilsensor1 spring2024 starwars12 starwars123 summer2023 summer2024
  summer2025 sunshine12 sunshine123 superman123 temp123456 test123456 test1234567 testing123
  testpassword testtest12 trustno1123 user123456 user1234567 welcome123 welcome123! welcome1234
  welcome2024 welcome2025 welcome2026 whatever12 whatever123 winter2024 winter2025 zaq12wsxcde3
  zxcvbnm,./ zxcvbnm123
  `
    .trim()
    .split(/\s+/),
);
