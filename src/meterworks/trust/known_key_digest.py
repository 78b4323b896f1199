"""Digests of keys that everyone knows: published examples, sample key pairs, defaults of tools. Digests only.

Secrets are looked up by the SHA-256 of their octets, key pairs by that of their uncompressed point.
Source: Green Book 9.2 (examples), RFC 3394 section 4, FIPS 197 and SP 800-38A/D vectors, RFC 6979 A.2, defaults of the
tools that speak DLMS, and the public test store of GB companion messages.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["KEY_PAIRS", "SECRETS"]

SECRETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "be45cb2605bf36bebde684841a28f0fd43c69850a3dce5fedba69928ee3a8991": "a key of the Green Book's examples",
        "7cf56de794590f24d5b83f0baaf79151064695a7e11638c2f020233c69a12e71": "a key of the Green Book's examples",
        "ef9be8a28b0958cb495b662ae48aa352afa35d012e51df688c7b6cf160086b96": "a key of the Green Book's examples",
        "fa556f0744082df3a04004643a676c212d0b0b7bfa2c9b458bceacde4ac7eab8": "a key of the Green Book's examples",
        "71ee1e09549ac0765f9555f09824a4a3de04172b4abe6ca6e3ba5819c54c0f92": "a key of the Green Book's examples",
        "b621dd6c2fdf8fff70dc7f13786eefbd5c6a13418a73c9e16405b563eb40dceb": "a key of the Green Book's examples",
        "ac5a67dd27849037889e8de606c5d5e194fdd4cf1d1b78bb41e62c85da4b7c42": "a key of the Green Book's examples",
        "8687b5a4fc969f2adeef2b572c3bd21925653d09af1ef705736d4d6e8a2f6e2a": "a key of the Green Book's examples",
        "cb8d575cc0ea493a20eb0f2472d58edec1e4e81d98d8ba61f6125c60ec916f78": "a key of the Green Book's examples",
        "1cd686704eb33450d0a10cf7e7ed6dc6e71d60ae6bca492c810da8434b2ac050": "a key of the Green Book's examples",
        "a8faed6abbf35c12a4b26e40f6feb19d736d90045c83b9f9a31f638d323e6811": "a key of RFC 3394's vectors",
        "c9c62bc779ab8ca60b006c99ce91d3a92a95663d571f03e449adbe092f2f40f7": "a key of RFC 3394's vectors",
        "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd": "a key of RFC 3394's vectors",
        "1d64add2a6388367c9bc2d1f1b384b069a6ef382cdaaa89771dd103e28613a25": "a key of RFC 3394's vectors",
        "d4ffb8b77f7d6b26196e9a070e983f6701a4c42dec813d4de1a535d20a7df536": "a key of NIST's AES vectors",
        "80fa5ff8e512e1d12f60c27d305e47fb19daa5f0aad3f32c9dd5145309e38d54": "a key of NIST's AES vectors",
        "b93c72b74bc8487d29827005f80d635918f91bc22b14d7ed05714d58f96702dd": "a key of NIST's AES vectors",
        "46f2c12f725921af8755806c96437b84137355b9eee64ec17713898e5acedf31": "a key of NIST's AES vectors",
        "7f70dfd819c3c5826700c209d1633eb5af014210decb7d7ff6d6ebadfa9bad27": "a key of NIST's AES vectors",
        "7e071fd9b023ed8f18458a73613a0834f6220bd5cc50357ba3493c6040a9ea8c": "a default password of meters and tools",
        "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f": "a default password of meters and tools",
        "7a51d064a1a216a692f753fcdab276e4ff201a01d8b66f56d50d4d719fd0dc87": "a default password of meters and tools",
        "9ac2197d9258257b1ae8463e4214e4cd0a578bc1517f2415928b91be4283fc48": "a default password of meters and tools",
        "e7e8b89c2721d290cc5f55425491ecd6831355e91063f20b39c22f9ec6a71f91": "a default password of meters and tools",
        "aa8708d45990f315635e296443312e9e3c1f30d88ec64864534c26c3fcec66dc": "a default password of meters and tools",
        "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8": "a default password of meters and tools",
        "2125b2c332b1113aae9bfc5e9f7e3b4c91d828cb942c2df1eeb02502eccae9e9": "a default password of meters and tools",
        "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f": "a default password of meters and tools",
        "807ae5f38db47bff8b09b37ad803cb10ef5147567a89a33a66bb3282df4ad966": "a default password of meters and tools",
        "fcdb4b423f4e5283afa249d762ef6aef150e91fccd810d43e5e719d14512dec7": "a default password of meters and tools",
    }
)

KEY_PAIRS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "310e651a11bf8ed4a827687abd424e9ab24420e9f46e0313409a244d7e29152a": "a key pair of the Green Book's examples",
        "8276f02a3c9d5c957ec315d838505be44bfc5f4c49e94e4550f1863956619ead": "a key pair of the Green Book's examples",
        "7d3766ac0985e1366169d3b811b1f1ede26c3126bbdd7bf2b0d9c72f0041a327": "a key pair of the Green Book's examples",
        "f0dc13564172f719b44c178f8e27f5e6296b2c000067a272c352dd4017b1ebe8": "a key pair of the Green Book's examples",
        "7a04759f36ff6c0dfa5d3d9d68f44a696df006558bcd4a982e845069f1ab822f": "a key pair of the Green Book's examples",
        "713d0f196b0dd09f730dea8d15416d1771540b8b76aabd348c859b0f91f81de7": "a key pair of the Green Book's examples",
        "b18b86ce1389e46de87aa4a5131ce83c1160fa33c087ab15b863574d31d8ff3c": "the key pair of RFC 6979's vectors",
        "c8b9a8e7f164515be2e59bce8ef78d1fe1f5d605411be6cda64ef6bc050c192b": "the key pair of RFC 6979's vectors",
        "a31b6af5ba5220150c14e88be42bd40dd6f6a1d58843462f7af7b56aae395d2b": "a key pair of the public GB test store",
        "03dbdd53361ac9a3707a6c982e21715c490dcd6d409ee1978d739d41b8a74318": "a key pair of the public GB test store",
        "0082475c56a31de61f0721d6faf4e573f7c82db013c775e0e53a6343cfede5f1": "a key pair of the public GB test store",
        "b68546c07ad1b279ffcd28e8cfd3fcf1c0ba656a4290ec713cc4b7602cb00540": "a key pair of the public GB test store",
        "64bb3642cb9829686ac5b391e29da9494ac3a7e506c3cee8ecbfe07196af829d": "a key pair of the public GB test store",
        "d1d84e700d98044e38e9a272466f57400cbe0c06dfe81bf9ee8360826342dd3d": "a key pair of the public GB test store",
        "83dd4afff88c0ac13d60b79a7163a6381a17577c0cc711f8aed5da8c135f8d86": "a key pair of the public GB test store",
        "d6dc8da2c462c4b524dc0262b48a3cfe30a55b95cf7f98ae9f02bf3a0a6781a6": "a key pair of the public GB test store",
        "8f930e057255c3681946652c834b6d59b3d55622f606d7d97a82d3dafcb568c8": "a key pair of the public GB test store",
        "489c0a31b533e77972589eb5f14fcbf33a11daebb3ef2b685e77bf91ccbb85cc": "a key pair of the public GB test store",
        "5ac15150fff31e07fa71bb232938be7caf4b9df13e1ca603767d3cad331e08f0": "a key pair of the public GB test store",
        "9e7cdc744bd10595e665d21851ef4e228c5816a5e4e4471ae25c39d66cd863b5": "a key pair of the public GB test store",
        "859fb7497ed864074f1f550f491ca8f01123359c6a464785300d3b9817a738cd": "a key pair of the public GB test store",
        "94dbf56f50efad43db556efe818830a6e4439621776c8cd194fe6a95f1342873": "a key pair of the public GB test store",
        "0baf8ad1037b63bc74fb2e533eba9a71dbf3ff85131e0fe552ad37f19e3cb17d": "a key pair of the public GB test store",
        "c132156acbdba5f5fb1f1721039e8dbfc99709537af2c2d3d6ab23115291c25b": "a key pair of the public GB test store",
        "448d305a96c6aed7ad43b1e844ee02bdc8749f512b962e5d92886fa5716406c1": "a key pair of the public GB test store",
    }
)
